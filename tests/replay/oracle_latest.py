"""Each customer's latest answer, the long way: the oracle where the settings ask for that."""

from collections.abc import Iterable, Mapping
from fractions import Fraction

from tests.replay.oracle import SURVEYS, Event, Said, World

LATEST = ("nps", "csat", "ces")
_LONGEST = {"nps": (0, 10), "csat": (0, 5), "ces": (1, 7)}


class LatestWorld(World):
    """What is known at one time, where of each customer the latest answer counts."""

    def said(
        self, metric: str, segment: Mapping[str, str], currency: str | None, start: int, end: int
    ) -> Said:
        if metric not in LATEST:
            return super().said(metric, segment, currency, start, end)
        answers = [
            e
            for e in self._events
            if e["type"] == "survey_response"
            and e["survey"] == metric
            and start <= e["at"] < end
            and segment.items() <= e["dimensions"].items()
        ]
        return SURVEYS[metric](latest_answers(answers))


def latest_answers(answers: Iterable[Event]) -> list[Event]:
    """Of each customer's answers to one survey the latest; of one instant the lowest."""
    anonymous, of_customer = [], dict[str, list[Event]]()
    for answer in answers:
        if answer.get("customer_id") is None:
            anonymous.append(answer)
        else:
            of_customer.setdefault(answer["customer_id"], []).append(answer)
    latest = [max(given, key=lambda e: (e["at"], -_height(e))) for given in of_customer.values()]
    return anonymous + latest


def _height(answer: Event) -> Fraction:
    """Where a score is on its scale: 0 is the lowest."""
    low, high = (1, answer["scale"]) if "scale" in answer else _LONGEST[answer["survey"]]
    return Fraction(answer["score"] - low, high - low)
