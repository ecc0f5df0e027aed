"""The fixture `cx_alerts`, as a test of somebody's rules uses it."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from processor.alerting.rule import Rule
from processor.testing import Alerts, EventBuilder, Rehearsed
from processor.testing.alerts import rules_from
from schemas.alerts import Alert

LOW: dict[str, Any] = {
    "name": "low",
    "metric": "nps",
    "window": "5m",
    "by": ["channel"],
    "below": 0,
    "for": "2m",
    "min_samples": 5,
}


def story(events: EventBuilder) -> list[dict[str, Any]]:
    """Ten minutes, an answer by web and one by app every ten seconds: web is bad for five."""
    told: list[dict[str, Any]] = []
    for step in range(60):
        at = f"2026-03-01T12:{step // 6:02}:{step % 6 * 10:02}Z"
        told.append(events.nps(0 if 12 <= step < 42 else 10, at=at, channel="web"))
        told.append(events.nps(9, at=at, channel="app"))
    # An hour later the window holds these alone.
    told += [events.nps(10, at="2026-03-01T13:00:00Z", channel="web") for _ in range(5)]
    return told


def check(alerts: Alerts) -> None:
    assert alerts.states() == ["pending", "firing", "resolved"]
    assert alerts.states("low", channel="web") == alerts.states()
    assert alerts.states("low", channel="app") == alerts.states("other") == []
    (episode,) = alerts.fired("low")
    assert episode.segment == {"channel": "web"}
    assert episode.fired_at_ms is not None
    assert 120_000 <= episode.fired_at_ms - episode.pending_at_ms <= 130_000
    assert episode.worst is not None
    assert episode.worst < 0
    assert alerts.rejects == []
    for change in alerts.changes:
        assert Alert.model_validate_json(json.dumps(change)).name == "low"


def test_events(cx_events: EventBuilder, cx_alerts: Rehearsed) -> None:
    alerts = cx_alerts(LOW, story(cx_events))
    check(alerts)
    assert cx_alerts([Rule.model_validate(LOW)], *story(EventBuilder())).changes == alerts.changes


def test_a_log_and_a_file_of_rules(
    tmp_path: Path, cx_events: EventBuilder, cx_alerts: Rehearsed
) -> None:
    log, rules = tmp_path / "log.jsonl", tmp_path / "cxpulse.toml"
    log.write_text("".join(json.dumps(event) + "\n" for event in story(cx_events)) + "junk\n")
    rules.write_text("[[alerts]]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in LOW.items()))
    alerts = cx_alerts(rules, log, every="10s")
    assert [reject.code for reject in alerts.rejects] == ["invalid_json"]
    check(Alerts(alerts.changes, alerts.episodes, []))


def test_events_come_when_they_happen_whatever_their_order(
    cx_events: EventBuilder, cx_alerts: Rehearsed
) -> None:
    told = story(cx_events)
    check(cx_alerts(LOW, told[1::2], told[0::2]))


def test_what_is_refused_is_told_and_can_be_watched(
    cx_events: EventBuilder, cx_alerts: Rehearsed
) -> None:
    poison = {"name": "poison", "metric": "processor_dead_letter_rate", "above": 5}
    told = story(cx_events)
    alerts = cx_alerts([LOW, poison], told[:80], ["{", b"[]", '{"type":"weather"}'] * 10, told[80:])
    assert alerts.states("poison")[0] == "firing"
    assert alerts.states("low") == ["pending", "firing", "resolved"]
    assert {reject.code for reject in alerts.rejects} >= {"invalid_json", "not_an_object"}


@pytest.mark.cx_options(windows=["1h"])
def test_the_nearest_options_win(cx_events: EventBuilder, cx_alerts: Rehearsed) -> None:
    with pytest.raises(ValueError, match="low: window: there is no '5m'; configured are 1h"):
        cx_alerts(LOW, cx_events.nps(9))
    assert cx_alerts(LOW, cx_events.nps(9), windows=["5m"]).changes == []


def test_what_is_no_rule(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="exactly one of below, above"):
        rules_from({"name": "none", "metric": "nps", "window": "1h"}, tmp_path)
    (tmp_path / "empty.toml").write_text("[engine]\n")
    with pytest.raises(ValueError, match=r"no table \[\[alerts\]\]"):
        rules_from("empty.toml", tmp_path)
