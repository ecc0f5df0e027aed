"""Many rules over many series: which alerts there are, and what becomes of them."""

import json
import logging
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from processor.alerting.evaluator import RESOLVED_KEPT_MS, Evaluator
from processor.alerting.rule import Rule
from processor.alerting.signals import RATE_OVER_MS, DeadLetterRate, signal_row
from tests.alerting.readings import MINUTE_MS, START_MS, changed, reading_of, rule_of

EMAIL, WEB = {"channel": "email"}, {"channel": "web"}


def evaluator(*rules: Rule, min_samples: int = 30) -> Evaluator:
    return Evaluator(rules, min_samples=min_samples)


def told(
    subject: Evaluator, rows: Iterable[Mapping[str, Any]] = (), minute: int = 0, **options: Any
) -> list[tuple[str, dict[str, str], str]]:
    """Name, segment and state of every change at a minute."""
    subject.update(rows)
    changes = subject.evaluate(START_MS + minute * MINUTE_MS, **options).changes
    return [(row["name"], row["segment"], row["state"]) for row in changes]


def test_each_value_of_a_dimension_has_an_alert_of_its_own() -> None:
    subject = evaluator(rule_of(by=["channel"]))
    rows = [reading_of(20, EMAIL), reading_of(60, WEB), reading_of(10)]
    assert told(subject, rows) == [("low", EMAIL, "firing")]
    assert told(subject, [reading_of(20, WEB)]) == [("low", WEB, "firing")]
    assert len({row["fingerprint"] for row in subject.current()}) == 2


def test_each_pair_of_values_of_two_dimensions_has_an_alert_of_its_own() -> None:
    subject = evaluator(rule_of(by=["channel", "product"]))
    basic, pro = EMAIL | {"product": "basic"}, EMAIL | {"product": "pro"}
    rows = [reading_of(20, basic), reading_of(20, pro), reading_of(20, EMAIL)]
    found = told(subject, rows)
    assert len(found) == 2
    assert ("low", basic, "firing") in found
    assert ("low", pro, "firing") in found


def test_a_dimension_may_be_fixed_and_another_free() -> None:
    subject = evaluator(rule_of(by=["channel", "product"], segment={"channel": "email"}))
    mail, web = EMAIL | {"product": "basic"}, WEB | {"product": "basic"}
    assert told(subject, [reading_of(20, mail), reading_of(20, web)]) == [("low", mail, "firing")]


def test_a_fixed_segment_has_its_alert_before_there_is_a_reading() -> None:
    subject = evaluator(rule_of(segment=EMAIL, no_data="alert", **{"for": "1m"}))
    assert told(subject) == [("low", EMAIL, "pending")]
    assert told(subject, minute=1) == [("low", EMAIL, "firing")]
    assert told(subject, [reading_of(60, EMAIL)], minute=2) == [("low", EMAIL, "resolved")]


def test_what_is_beyond_the_cap_of_segments_is_not_watched() -> None:
    other = {"channel": "__other__"}
    assert not told(evaluator(rule_of(by=["channel"])), [reading_of(20, other)])
    named = evaluator(rule_of(segment=other))
    assert told(named, [reading_of(20, other)]) == [("low", other, "firing")]


def test_a_segment_that_is_gone_is_decided_by_no_data() -> None:
    rules = [
        rule_of(name="kept", by=["channel"]),
        rule_of(name="fine", by=["channel"], no_data="ok"),
    ]
    subject = evaluator(*rules)
    told(subject, [reading_of(20, EMAIL)])
    assert told(subject, [reading_of(None, EMAIL)], minute=1) == [("fine", EMAIL, "resolved")]


def test_each_currency_has_an_alert_of_its_own_unless_one_is_named() -> None:
    money = {"metric": "revenue", "below": 30}
    rules = rule_of(name="each", **money), rule_of(name="euro", currency="EUR", **money)
    subject = evaluator(*rules, min_samples=0)
    rows = [
        reading_of(20, metric="revenue", currency="USD"),
        reading_of(20, metric="revenue", currency="EUR"),
    ]
    subject.update(rows)
    changes = subject.evaluate(START_MS).changes
    found = [(row["name"], row["currency"]) for row in changes]
    assert found[-1] == ("euro", "EUR")  # in the order of the rules
    assert set(found) == {("each", "USD"), ("each", "EUR"), ("euro", "EUR")}
    assert {row["labels"]["currency"] for row in changes} == {"USD", "EUR"}


def test_counts_need_no_samples_unless_the_rule_asks_for_them() -> None:
    few = reading_of(2, metric="refunds", unit="count", n=2)
    assert told(evaluator(rule_of(metric="refunds", below=30, min_samples=None)), [few])
    assert not told(evaluator(rule_of(metric="refunds", below=30, min_samples=3)), [few])


def test_other_metrics_need_as_many_as_is_configured() -> None:
    few = reading_of(20, n=9)
    assert not told(evaluator(rule_of(min_samples=None), min_samples=10), [few])
    assert told(evaluator(rule_of(min_samples=None), min_samples=9), [few])


def test_readings_that_nobody_watches_are_not_wanted() -> None:
    subject = evaluator(rule_of(by=["channel"]))
    assert subject.wanted("nps", "1h", ["channel"])
    assert not subject.wanted("nps", "1h", [])
    assert not subject.wanted("nps", "24h", ["channel"])
    assert not subject.wanted("csat", "1h", ["channel"])
    assert subject.watches
    assert not evaluator().watches


def test_rules_with_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two rules have one name"):
        evaluator(rule_of(), rule_of(below=10))


# -- staleness and signals -------------------------------------------------------------------------


def test_stale_readings_decide_nothing_and_signals_do() -> None:
    lag = rule_of(name="lag", metric="processor_lag", window=None, above=10, min_samples=None)
    subject = evaluator(rule_of(), lag)
    rows = [reading_of(20), signal_row("processor_lag", 11)]
    assert told(subject, rows, stale=True) == [("lag", {}, "firing")]
    assert told(subject, minute=1, stale=True) == []
    # What was read while it was stale decides when it no longer is, though nothing new came.
    assert told(subject, minute=2) == [("low", {}, "firing")]


def test_a_signal_without_a_value_is_no_data() -> None:
    rate = "processor_dead_letter_rate"
    letters = rule_of(metric=rate, window=None, above=1, min_samples=None)
    subject = evaluator(letters)
    assert told(subject, [signal_row(rate, 2.0)]) == [("low", {}, "firing")]
    assert told(subject, [signal_row(rate, None)], minute=1) == []
    assert told(subject, [signal_row(rate, 0.0)], minute=2) == [("low", {}, "resolved")]


def test_the_rate_of_dead_letters_is_of_the_last_minutes() -> None:
    rate = DeadLetterRate()
    assert rate.after(0, 1000, 500) is None
    assert rate.after(60_000, 1100, 510) == 10.0
    assert rate.after(RATE_OVER_MS, 1200, 510) == 5.0
    assert rate.after(RATE_OVER_MS + 60_000, 1300, 510) == 0.0  # since the second look


def test_the_rate_of_dead_letters_forgives_counts_that_begin_anew() -> None:
    rate = DeadLetterRate()
    rate.after(0, 1000, 500)
    assert rate.after(1000, 10, 0) is None
    assert rate.after(RATE_OVER_MS + 2000, 20, 1) is None  # all others are forgotten by now
    assert rate.after(RATE_OVER_MS + 3000, 40, 2) == 5.0


# -- restarts ------------------------------------------------------------------------------------


def stored_of(subject: Evaluator) -> list[dict[str, Any]]:
    return [json.loads(json.dumps(row)) for row in subject.current()]


def test_an_alert_of_a_rule_that_is_gone_is_resolved_once() -> None:
    before = evaluator(rule_of(), rule_of(name="waits", **{"for": "5m"}))
    told(before, [reading_of(20)])
    after = evaluator(rule_of(name="another", below=0))
    after.restore(stored_of(before))
    evaluation = after.evaluate(START_MS + MINUTE_MS)
    assert [(row["name"], row["state"]) for row in evaluation.changes] == [("low", "resolved")]
    assert evaluation.changes[0]["ends_at"] == evaluation.changes[0]["since"]
    assert set(evaluation.stored.values()) == {None}
    assert not after.evaluate(START_MS + 2 * MINUTE_MS).changes


def test_an_alert_whose_rule_watches_something_else_now_is_resolved() -> None:
    before = evaluator(rule_of(by=["channel"]))
    told(before, [reading_of(20, EMAIL)])
    after = evaluator(rule_of(by=["channel"], window="24h"))
    after.restore(stored_of(before))
    assert told(after, minute=1) == [("low", EMAIL, "resolved")]


def test_a_threshold_may_change_while_an_alert_fires() -> None:
    before = evaluator(rule_of())
    told(before, [reading_of(20)])
    after = evaluator(rule_of(below=10, severity="critical"))
    after.restore(stored_of(before))
    assert told(after, minute=1) == [("low", {}, "resolved")]


@pytest.mark.parametrize(
    "broken",
    [{}, {"name": "low"}, {"state": "on fire"}, {"since": "yesterday"}, {"starts_at": 7}],
    ids=str,
)
def test_a_stored_alert_that_cannot_be_read_is_forgotten_and_said(
    broken: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    before = evaluator(rule_of(), rule_of(name="sound"))
    told(before, [reading_of(20)])
    rows = stored_of(before)
    rows[0] = {**rows[0], **broken} if len(broken) == 1 and "name" not in broken else broken
    after = evaluator(rule_of(), rule_of(name="sound"))
    with caplog.at_level(logging.WARNING):
        after.restore(rows)
    assert "cannot be read" in caplog.text
    assert [row["name"] for row in after.current()] == ["sound"]


def test_resolved_alerts_are_forgotten_after_a_day() -> None:
    subject = evaluator(rule_of())
    told(subject, [reading_of(20)])
    told(subject, [reading_of(60)], minute=1)
    resolved_ms = START_MS + MINUTE_MS
    assert not subject.evaluate(resolved_ms + RESOLVED_KEPT_MS - 1).stored
    assert [row["state"] for row in subject.current()] == ["resolved"]
    evaluation = subject.evaluate(resolved_ms + RESOLVED_KEPT_MS)
    assert list(evaluation.stored.values()) == [None]
    assert not evaluation.changes
    assert not subject.current()


def test_a_value_that_moves_within_a_state_is_stored_and_not_told() -> None:
    subject = evaluator(rule_of())
    told(subject, [reading_of(20)])
    subject.update([reading_of(15)])
    evaluation = subject.evaluate(START_MS + MINUTE_MS)
    assert [row["value"] for row in evaluation.stored.values() if row is not None] == [15]
    assert not evaluation.changes
    assert not subject.evaluate(START_MS + 2 * MINUTE_MS).stored


# -- the window before ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rule", [rule_of(drop=True), rule_of(below=0, no_data="gone")], ids=["drop", "gone"]
)
def test_what_compares_waits_until_the_window_before_is_known(rule: Rule) -> None:
    subject = evaluator(rule)
    row = changed(20, 60) if rule.drop else reading_of(None, previous=60.0)
    assert told(subject, [row], young=["1h"]) == []
    assert told(subject, minute=1, young=["24h"]) == [("low", {}, "firing")]


def test_a_threshold_does_not_wait() -> None:
    assert told(evaluator(rule_of()), [reading_of(20)], young=["1h"]) == [("low", {}, "firing")]
