"""What survey answers add where each customer's latest answer counts.

Every answer is counted as always, and is observed beside that: under its customer, at its time,
with a code for what was answered. Of one customer a sample keeps the largest magnitude
(`processor.core.sample`), which begins with the time: so what it keeps is the latest answer, in
any window, in any segment, and whichever came first.

``nps_latest.n``, ``csat_latest.n`` and ``ces_latest.n`` count the answers that were observed. They
are fewer than the answers of a window where the setting was made in its course.
"""

from dataclasses import replace
from fractions import Fraction
from functools import cache
from typing import Any, Final

from processor.core.estimate import Counts
from processor.core.observation import Observation, magnitude_at
from processor.metrics.plan import Increments, MeasurePlan
from schemas.timestamps import parse_rfc3339

SCALES: Final = {
    "nps": (("nps", 0, 10), ("nps5", 1, 5)),
    "csat": (("csat5", 0, 5), ("csat7", 1, 7), ("csat10", 1, 10)),
    "ces": (("ces", 1, 7),),
}
"""Survey → family, lowest and highest score of each scale."""


def _from_best_to_worst(survey: str) -> tuple[str, ...]:
    placed = (
        (Fraction(score - low, high - low), f"{family}.{score}")
        for family, low, high in SCALES[survey]
        for score in range(low, high + 1)
    )
    return tuple(name for _, name in sorted(placed, key=lambda one: -one[0]))


# A measure's code is its place here, and is stored. Of two answers at one instant the larger code
# is kept: the answer that is lower on its scale, so that chance never flatters.
_CODED: Final = {survey: _from_best_to_worst(survey) for survey in SCALES}
_CODES: Final = {name: code for names in _CODED.values() for code, name in enumerate(names)}


def observing_latest(plan: MeasurePlan) -> MeasurePlan:
    """The plan of survey answers that also observes each customer's latest.

    An answer without a customer is like no other; it is told apart by its id and its time.

    Args:
        plan: of survey answers; what it counts goes on being counted.
    """

    def count(values: tuple[Any, ...]) -> Increments:
        survey = values[0]
        counted = plan.count(values)
        return (*counted, (f"{survey}_latest.n", 1)) if survey in _CODED else counted

    @cache
    def code_of(survey: str, score: int, scale: int | None) -> int:
        ((measure, _),) = plan.count((survey, score, scale, None, None))
        return _CODES[measure]

    def observe(values: tuple[Any, ...]) -> tuple[Observation, ...]:
        survey, score, scale, customer_id, occurred_at, event_id = values
        if survey not in _CODED:
            return ()
        at_ms = parse_rfc3339(occurred_at)
        # What begins the identity keeps a customer apart from an event of the same id.
        identity = f"event {at_ms} {event_id}" if customer_id is None else f"customer {customer_id}"
        return (
            Observation(
                f"{survey}_latest", identity, magnitude_at(at_ms, code_of(survey, score, scale))
            ),
        )

    return replace(
        plan,
        count=count,
        observes=("survey", "score", "scale", "customer_id", "occurred_at", "event_id"),
        observe=observe,
    )


def latest_answers(counts: Counts, survey: str) -> dict[str, int]:
    """How many customers answered what at last, of those that the sample keeps.

    Args:
        counts: of a window, with the samples beside the counters.
        survey: ``nps``, ``csat`` or ``ces``.

    >>> latest_answers({"nps_latest.code1": 3, "nps_latest.code2": 1}, "nps")
    {'nps5.5': 3, 'nps.9': 1}
    """
    answers = (
        (measure, counts.get(f"{survey}_latest.code{code}", 0))
        for code, measure in enumerate(_CODED[survey])
    )
    return {measure: n for measure, n in answers if n}


def lacks_answers(counts: Counts, survey: str) -> bool:
    """Whether some answers were counted while nobody observed whose they were."""
    counted = sum(counts.get(measure, 0) for measure in _CODED[survey])
    return bool(counted > counts.get(f"{survey}_latest.n", 0))
