"""Tests of the rules in ``alerts.toml``; run with ``pytest examples``."""

from datetime import UTC, datetime, timedelta

from processor.testing import EventBuilder, Rehearsed

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def answers(events: EventBuilder, hour: int, score: int, channel: str) -> list[dict[str, object]]:
    """An answer a minute for an hour, and one at the next hour's start."""
    begin = NOON + timedelta(hours=hour)
    return [
        events.nps(score, at=begin + timedelta(minutes=minute), channel=channel)
        for minute in range(61)
    ]


def test_a_fall_is_told_of_the_channel_where_it_happens(
    cx_events: EventBuilder, cx_alerts: Rehearsed
) -> None:
    good = [answers(cx_events, hour, 9, "web") for hour in range(3)]
    mail = [answers(cx_events, hour, score, "email") for hour, score in enumerate((9, 9, 5))]
    alerts = cx_alerts("alerts.toml", *good, *mail)
    (fired,) = alerts.fired()
    assert (fired.rule, fired.segment) == ("NPS fell", {"channel": "email"})
    assert alerts.changes[-1]["annotations"]["summary"].startswith("NPS of email fell by -")


def test_one_bad_quarter_of_an_hour_is_no_alert(
    cx_events: EventBuilder, cx_alerts: Rehearsed
) -> None:
    hours = [answers(cx_events, hour, 9, "web") for hour in range(3)]
    bad = [cx_events.nps(0, at=NOON + timedelta(hours=2, minutes=m)) for m in range(15)]
    assert cx_alerts("alerts.toml", *hours, bad).fired() == []
