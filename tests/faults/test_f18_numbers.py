"""Numbers that are none, or not the ones asked for.

::

    18  log      |--good--["9"]--good--[9.0]--good--[1e400]--good--|
        letters           score        score         score          each names its field

Expected: each refused with the field named; the good events count as if they were not there.
"""

from collections.abc import Iterator

import pytest

from schemas.errors import ErrorCode
from tests.faults.refusals import Refusal, refused, written
from tests.faults.scenario import Scenario

NEVER = ('"9"', "true", "false", "null", "-1", "NaN", "Infinity", "-Infinity", "1e400", "9.0",
         "9e0", "8.5", "[9]", '{"n":9}', '""', "10000000000000000000")  # fmt: skip
"""No score of any survey."""

SCORES: dict[str, tuple[dict[str, object], tuple[str, ...]]] = {
    "nps": ({"survey": "nps"}, ("11", "100")),
    "nps of five": ({"survey": "nps", "scale": 5}, ("0", "6")),
    "csat": ({"survey": "csat"}, ("6",)),
    "csat of seven": ({"survey": "csat", "scale": 7}, ("0", "8")),
    "csat of ten": ({"survey": "csat", "scale": 10}, ("0", "11")),
    "ces": ({"survey": "ces"}, ("0", "8")),
}
"""Per survey: its fields, and scores that are those of another."""

AMOUNTS = ("true", "null", "-1", "-0.01", '"-1"', "NaN", '"NaN"', "Infinity", "1e400", '"1e2"',
           '" 9"', '"9,00"', '"9."', '".9"', '""', "[9]", "9.999", '"9.990"', "1e16",
           '"10000000000000000"', '"٩"')  # fmt: skip


def surveys() -> Iterator[Refusal]:
    topic = "survey-response"
    for fields, of_another in SCORES.values():
        for text in (*NEVER, *of_another):
            value = written(topic, "score", text, **fields)
            yield Refusal(topic, value, ErrorCode.INVALID_FIELD, "score")
    for text in ("3", "5.0", '"5"', "true", "null"):
        value = written(topic, "scale", text, survey="csat", score=3)
        yield Refusal(topic, value, ErrorCode.INVALID_FIELD, "scale")
    for text in (*NEVER, "0", "7"):
        answers = f'{{"recommend":1,"repurchase":{text},"try_other":6}}'
        value = written(topic, "answers", answers, survey="cli", score=None)
        yield Refusal(topic, value, ErrorCode.INVALID_FIELD, "answers.repurchase")
    for text in ("1", "true", "null", '"happy"', '""'):
        value = written(topic, "emotion", text, survey="emotion", score=None)
        yield Refusal(topic, value, ErrorCode.INVALID_FIELD, "emotion")


def purchases() -> Iterator[Refusal]:
    topic = "purchase"
    for text in AMOUNTS:
        yield Refusal(topic, written(topic, "amount", text), ErrorCode.INVALID_FIELD, "amount")
    for currency, text in (("JPY", "1.5"), ("JPY", '"1.0"'), ("KWD", "0.0001")):
        value = written(topic, "amount", text, currency=currency)
        yield Refusal(topic, value, ErrorCode.INVALID_FIELD, "amount")
    for text in ('"eur"', '"EURO"', '"XXX"', "978", "null", '""'):
        yield Refusal(topic, written(topic, "currency", text), ErrorCode.INVALID_FIELD, "currency")
    for text in ("1", '"true"', "null", "0.0"):
        yield Refusal(topic, written(topic, "upsell", text), ErrorCode.INVALID_FIELD, "upsell")


def digits() -> Iterator[Refusal]:
    """More digits than a number is read with: said of the record, before any field is looked at."""
    for topic, field in (("survey-response", "score"), ("purchase", "amount")):
        value = written(topic, field, "9" * 5_000)
        yield Refusal(topic, value, ErrorCode.INVALID_JSON)


@pytest.mark.timeout(120)
async def test_f18_a_number_that_is_not_one_is_refused_by_its_field(scenario: Scenario) -> None:
    refusals = [*surveys(), *purchases(), *digits()]
    scenario.write_log(8_000)
    await refused(scenario, refusals)
