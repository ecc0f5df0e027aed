"""Tests of metrics of one's own; run with ``pytest examples``."""

import pytest

from processor.replay import Engine
from processor.testing import EventBuilder, Golden, Replayed


def test_only_answers_by_mail_are_asked(cx_events: EventBuilder, cx_replay: Replayed) -> None:
    readings = cx_replay(
        cx_events.nps(3, channel="email"),
        cx_events.nps(9, channel="email"),
        cx_events.nps(0, channel="web"),
        cx_events.nps(1, scale=5, channel="email"),
    )
    assert readings.value("unhappy_mail_answers") == 50.0
    assert readings["unhappy_mail_answers", "1h", {"channel": "email"}]["n"] == 2


def test_refunds_are_no_orders(cx_events: EventBuilder, cx_replay: Replayed) -> None:
    orders = [cx_events.purchase(amount, "EUR") for amount in ("10.00", "25.50")]
    others = [cx_events.refund("99.00", "EUR"), cx_events.purchase(700, "JPY")]
    assert cx_replay(orders, others).value("mean_order_eur") == 17.75


def test_an_hour_later_nobody_is_unhappy(cx_events: EventBuilder, cx_engine: Engine) -> None:
    cx_engine.send(cx_events.nps(0, channel="email"))
    assert cx_engine.readings().value("unhappy_mail_answers") == 100.0
    later = cx_engine.advance("61m")
    assert later.value("unhappy_mail_answers") is None
    assert later["unhappy_mail_answers"]["previous"] == 100.0


@pytest.mark.cx_options(metrics=["unhappy_mail_answers", "mean_order_eur", "nps"])
def test_the_readings_of_march(cx_replay: Replayed, cx_golden: Golden) -> None:
    cx_golden(cx_replay("march.jsonl"), "golden/march.jsonl")
