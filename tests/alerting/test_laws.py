"""Laws of alerts: a restart changes nothing, and states follow the diagram."""

import json
from typing import Any, Final, NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from processor.alerting.alert import AlertRow
from processor.alerting.evaluator import Evaluator
from processor.alerting.rule import Rule
from schemas.timestamps import parse_rfc3339
from tests.alerting.readings import MINUTE_MS, START_MS, reading_of

EDGES: Final = {
    ("inactive", "pending"),
    ("inactive", "firing"),
    ("pending", "inactive"),
    ("pending", "firing"),
    ("firing", "resolved"),
    ("resolved", "pending"),
    ("resolved", "firing"),
}
CHANNELS: Final = ("email", "web")
VALUES: Final = (20.0, 30.0, 32.0, 35.0, 60.0, None)


class Minute(NamedTuple):
    """What is read, how long after the reading before, and whether it restarts before it."""

    value: float | None
    channel: str
    n: int
    incomplete: bool
    stale: bool
    after_minutes: int
    restarts: bool


MINUTES: Final = st.lists(
    st.builds(
        Minute,
        value=st.sampled_from(VALUES),
        channel=st.sampled_from(CHANNELS),
        n=st.sampled_from((50, 50, 50, 49)),
        incomplete=st.sampled_from((False, False, False, True)),
        stale=st.sampled_from((False, False, False, True)),
        after_minutes=st.sampled_from((1, 1, 2, 3, 25 * 60)),
        restarts=st.booleans(),
    ),
    max_size=25,
)
SPANS: Final = st.sampled_from(("0s", "1m", "2m", "5m"))
RULES: Final = st.builds(
    lambda **fields: Rule.model_validate(
        {"name": "low", "metric": "nps", "window": "1h", "below": 30, "min_samples": 50, **fields}
    ),
    **{
        "by": st.sampled_from(((), ("channel",))),
        "recovers_at": st.sampled_from((None, 35)),
        "for": SPANS,
        "keep_firing_for": SPANS,
        "no_data": st.sampled_from(("keep", "ok", "alert", "gone")),
    },
)


def played(rule: Rule, minutes: list[Minute], *, restarting: bool) -> list[AlertRow]:
    """All changes that are told, by one evaluator or by one after another."""
    evaluator = Evaluator([rule], min_samples=30)
    stored: dict[str, str] = {}
    told: list[AlertRow] = []
    published: dict[str, dict[str, Any]] = {}
    now_ms = START_MS
    for minute in minutes:
        if restarting and minute.restarts:
            evaluator = Evaluator([rule], min_samples=30)
            evaluator.restore(json.loads(text) for text in stored.values())
            evaluator.update(published.values())  # who takes over says all readings once more
        now_ms += minute.after_minutes * MINUTE_MS
        reading = published[minute.channel if rule.by else ""] = _reading(rule, minute)
        evaluator.update([reading])
        evaluation = evaluator.evaluate(now_ms, stale=minute.stale)
        told += evaluation.changes
        for fingerprint, row in evaluation.stored.items():
            if row is None:
                stored.pop(fingerprint, None)
            else:
                stored[fingerprint] = json.dumps(row)
    return told


def _reading(rule: Rule, minute: Minute) -> dict[str, Any]:
    segment = {"channel": minute.channel} if rule.by else {}
    fields = {"n": 0 if minute.value is None else minute.n, "incomplete": minute.incomplete}
    return dict(reading_of(minute.value, segment, **fields))


@given(RULES, MINUTES)
def test_whoever_restarts_tells_what_an_uninterrupted_evaluator_tells(
    rule: Rule, minutes: list[Minute]
) -> None:
    assert played(rule, minutes, restarting=True) == played(rule, minutes, restarting=False)


@given(RULES, MINUTES)
def test_states_follow_the_diagram(rule: Rule, minutes: list[Minute]) -> None:
    states: dict[str, str] = {}
    for row in played(rule, minutes, restarting=True):
        before = states.get(row["fingerprint"], "inactive")
        # A resolved alert is forgotten after a day, and is an inactive one then.
        forgotten = before == "resolved" and row["previous_state"] == "inactive"
        assert row["previous_state"] == before or forgotten
        assert (row["previous_state"], row["state"]) in EDGES
        assert (row["ends_at"] is None) == (row["state"] in {"pending", "firing"})
        states[row["fingerprint"]] = row["state"]


@given(RULES, MINUTES)
def test_an_alert_fires_no_sooner_than_its_rule_says(rule: Rule, minutes: list[Minute]) -> None:
    began: dict[str, str] = {}
    for row in played(rule, minutes, restarting=False):
        if row["state"] == "pending":
            began[row["fingerprint"]] = row["since"]
        if row["state"] == "firing":
            assert row["starts_at"] == began.pop(row["fingerprint"], row["since"])
            assert parse_rfc3339(row["since"]) - parse_rfc3339(row["starts_at"]) >= rule.for_ms
