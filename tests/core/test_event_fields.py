"""Fields of events by name, also those of an object that is not there."""

import doctest

from processor.core import event_fields
from processor.core.event_fields import Event, column, reader

EVENTS: list[Event] = [
    {"score": 9, "dimensions": {"channel": "web"}},
    {"score": 0, "dimensions": {}},
    {"answers": {"recommend": 4}, "dimensions": {"channel": "web", "plan": "pro"}},
    {},
]


def test_columns() -> None:
    assert column(EVENTS, "score") == [9, 0, None, None]
    assert column(EVENTS, "dimensions.channel") == ["web", None, "web", None]
    assert column(EVENTS, "answers.recommend") == [None, None, 4, None]


def test_a_reader_reads_what_columns_have() -> None:
    for names in (("score",), ("score", "dimensions.plan", "answers.recommend"), ()):
        rows = list(zip(*(column(EVENTS, name) for name in names), strict=True))
        assert list(map(reader(names), EVENTS)) == (rows or [()] * len(EVENTS))


def test_examples_hold() -> None:
    assert doctest.testmod(event_fields).failed == 0
