"""Silences: which alerts nobody is told of, and until when."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from processor.alerting.silence import Silence, silenced_by

UNTIL: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOON_MS: Final = int(UNTIL.timestamp() * 1000)
ALERT: Final = {"name": "NPS low", "labels": {"alertname": "NPS low", "channel": "email"}}


def silence(**fields: Any) -> Silence:
    return Silence.model_validate({"id": "one", "until": UNTIL, **fields})


@pytest.mark.parametrize(
    ("fields", "mutes"),
    [
        ({}, True),
        ({"rule": "NPS low"}, True),
        ({"rule": "NPS"}, False),
        ({"labels": {"channel": "email"}}, True),
        ({"labels": {"channel": "web"}}, False),
        ({"labels": {"team": "a"}}, False),
        ({"rule": "NPS low", "labels": {"channel": "web"}}, False),
        ({"rule": "another", "labels": {"channel": "email"}}, False),
    ],
    ids=str,
)
def test_it_mutes_what_matches_all_that_it_names(fields: dict[str, Any], mutes: bool) -> None:
    assert silence(**fields).mutes(ALERT, NOON_MS - 1) is mutes


def test_it_ends_by_the_clock() -> None:
    assert silence().mutes(ALERT, NOON_MS - 1)
    assert not silence().mutes(ALERT, NOON_MS)


def test_of_several_the_one_that_lasts_longest_is_named() -> None:
    longer = silence(id="two", until=UNTIL + timedelta(hours=1))
    other = silence(id="three", rule="another", until=UNTIL + timedelta(days=1))
    assert silenced_by(ALERT, [silence(), longer, other], NOON_MS - 1) is longer
    assert silenced_by(ALERT, [silence(), longer, other], NOON_MS) is longer
    assert silenced_by(ALERT, [other], NOON_MS) is None
