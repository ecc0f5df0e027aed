r"""Rules over history. Surveys come every ten seconds; a letter is ten minutes of them::

g  good answers        b  bad answers        _  nothing at all
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from processor.alerting.rule import Rule
from processor.alerting.signals import signal_row
from processor.core.config import EngineConfig
from processor.core.panes import plan_windows
from processor.metrics.catalogue import CATALOGUE
from processor.replay import InProcessEngine, LogError
from processor.replay.alerting import Episode, Rehearsal, rehearse, rehearse_events
from schemas.timestamps import format_rfc3339
from tests.alerting.readings import MINUTE_MS, START_MS

LETTER_MS: Final = 10 * MINUTE_MS
STEP_MS: Final = 10_000
SCORES: Final = {"g": 9, "b": 3}
CONFIG: Final = EngineConfig(
    windows=plan_windows(["5m", "10m", "1h"]), segment_sets=(("channel",), ("product",))
)


def rule(**fields: Any) -> Rule:
    base = {"name": "low", "metric": "nps", "window": "10m", "min_samples": 10}
    condition = {} if {"above", "drop", "rise"} & fields.keys() else {"below": 0}
    return Rule.model_validate({**base, **condition, **fields})


def survey(at_ms: int, score: int, channel: str = "email") -> bytes:
    return json.dumps(
        {
            "type": "survey_response",
            "event_id": f"{channel}-{at_ms}",
            "occurred_at": format_rfc3339(at_ms),
            "dimensions": {"channel": channel},
            "survey": "nps",
            "score": score,
        }
    ).encode()


def story(letters: str, channel: str = "email") -> Iterator[bytes]:
    for number, letter in enumerate(letters):
        for at_ms in range(0, LETTER_MS, STEP_MS):
            if letter != "_":
                at = START_MS + number * LETTER_MS + at_ms
                yield survey(at, SCORES[letter], channel)


def rehearsed(lines: Iterator[bytes], *rules: Rule, **options: Any) -> Rehearsal:
    return rehearse_events(lines, rules, config=CONFIG, metrics=CATALOGUE, **options)


def minutes(at_ms: int | None) -> float | None:
    return None if at_ms is None else (at_ms - START_MS) / MINUTE_MS


def times(episode: Episode) -> list[float | None]:
    return [minutes(at) for at in (episode.pending_at_ms, episode.fired_at_ms, episode.ended_at_ms)]


def test_an_episode_from_its_condition_to_its_end() -> None:
    run = rehearsed(story("ggbbgg"), rule(**{"for": "2m"})).run()
    (episode,) = run.fired()
    began, fired, ended = times(episode)
    assert began is not None
    # Half of the ten minutes' answers are bad five minutes after they begin.
    assert began == pytest.approx(25, abs=0.5)
    assert fired == pytest.approx(began + 2)
    assert ended == pytest.approx(45, abs=0.5)
    assert episode.worst == -100.0
    assert (episode.rule, episode.segment, episode.severity) == ("low", {}, "warning")
    assert run.lines == 360
    assert run.latest_ms == START_MS + 6 * LETTER_MS - STEP_MS


def test_the_changes_are_those_that_would_be_told() -> None:
    run = rehearsed(story("ggbbgg"), rule(**{"for": "2m"}))
    assert [row["state"] for row in run] == ["pending", "firing", "resolved"]
    assert not list(run)


def test_what_is_given_up_has_not_fired() -> None:
    run = rehearsed(story("ggbbgg"), rule(**{"for": "30m"})).run()
    (episode,) = run.episodes
    assert (episode.has_fired, episode.fired_at_ms) == (False, None)
    assert minutes(episode.ended_at_ms) == pytest.approx(45, abs=0.5)
    assert not run.fired()


def test_each_segment_has_episodes_of_its_own() -> None:
    by_channel = rule(name="by", by=["channel"])
    both = sorted([*story("ggbb"), *story("gggg", "web")], key=_time_in)
    run = rehearsed(iter(both), by_channel, rule()).run()
    assert [(one.rule, one.segment) for one in run.fired()] == [("by", {"channel": "email"})]


def test_the_end_of_the_log_is_evaluated_and_what_fires_goes_on() -> None:
    """Without waiting for the allowed lateness, which no event of the log would pass."""
    run = rehearsed(story("b"), rule()).run()
    (episode,) = run.fired()
    assert episode.ended_at_ms is None
    assert minutes(episode.fired_at_ms) == pytest.approx(1.75, abs=0.25)  # ten answers


def test_silence_is_evaluated_at_its_own_times() -> None:
    """Nothing comes for two hours: what was pending fires in them, and not at the next event."""
    gone = rule(name="gone", below=-99, no_data="gone", **{"for": "5m"})
    run = rehearsed(story("gg____________gg"), gone).run()
    (episode,) = run.fired()
    began, fired, ended = times(episode)
    assert began == pytest.approx(30, abs=0.5)  # the window of ten minutes is empty
    assert fired == pytest.approx(35, abs=0.5)
    assert ended == pytest.approx(141.75, abs=0.5)  # ten answers
    assert episode.worst is None


def test_a_change_against_what_was_before_the_log_decides_nothing() -> None:
    rise = rule(metric="social_mentions", rise=True, min_change_percent=100, min_samples=20)
    run = rehearsed(_mentions(40), rise).run()
    assert not run.episodes
    # In itself it is a rise: the engine cannot know that the log begins in the middle of things.
    engine = InProcessEngine(CONFIG, {"social_mentions": CATALOGUE["social_mentions"]})
    engine.fold(list(_mentions(12)), START_MS + LETTER_MS * 3)
    row = engine.changed(START_MS + 12 * MINUTE_MS, 1)["social_mentions|10m|all"]
    assert row["previous"] < row["value"] / 2


def test_dead_letters_are_watched_by_their_rate() -> None:
    lines = list(story("ggg"))
    for place in range(60, 120, 6):
        lines.insert(place, b'{"type": "survey_response", "score": "nine"}')
    letters = rule(
        name="letters", metric="processor_dead_letter_rate", window=None, above=5, min_samples=None
    )
    run = rehearsed(iter(lines), letters, rule()).run()
    (episode,) = run.fired()
    began, fired, ended = times(episode)
    assert began == fired == pytest.approx(11, abs=1)
    assert ended == pytest.approx(21.5, abs=1)
    assert episode.worst == pytest.approx(100 / 6)  # one line in six
    assert sum(run.rejects.by_code.values()) == 10


def test_no_input_is_watched_by_its_age() -> None:
    silent = rule(
        name="silent", metric="processor_input_age", window=None, above=900, min_samples=None
    )
    run = rehearsed(story("g_______g"), silent, every_ms=STEP_MS).run()
    (episode,) = run.fired()
    began, fired, ended = times(episode)
    assert began == fired == pytest.approx(25, abs=0.5)
    assert ended == pytest.approx(80, abs=0.5)
    assert signal_row("processor_input_age", 1.0)["unit"] == "seconds"


def test_a_long_silence_costs_no_evaluations_once_all_is_settled() -> None:
    run = rehearsed(story("gg" + "_" * 2000 + "gg"), rule(**{"for": "5m"})).run()
    assert run.ticks < 1000


def test_logs_give_what_their_events_give(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(b"\n".join(story("ggbbgg")) + b"\n")
    by_log = rehearse([log], [rule()], config=CONFIG, metrics=CATALOGUE).run()
    assert by_log.episodes == rehearsed(story("ggbbgg"), rule()).run().episodes
    assert by_log.first_ms == START_MS


def test_only_what_is_watched_is_computed() -> None:
    """The windows keep the panes that they have beside the others."""
    run = rehearsed(story("g"), rule(window="1h"))
    config = run._run.engine.config
    assert [(one.name, one.pane_ms) for one in config.windows] == [
        (one.name, one.pane_ms) for one in CONFIG.windows if one.name == "1h"
    ]
    assert config.segment_sets == ()


def test_rules_that_watch_what_is_not_there_are_refused_all_at_once() -> None:
    rules = rule(window="24h"), rule(name="team", by=["team"])
    with pytest.raises(ValueError, match=r"low: window: there is no '24h'[^\n]*\nteam: by: ") as it:
        rehearsed(story("g"), *rules)
    assert str(it.value).count("\n") == 1


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one log"):
        rehearse([], [rule()], config=CONFIG, metrics=CATALOGUE)
    with pytest.raises(ValueError, match="positive"):
        rehearsed(story("g"), rule(), every_ms=0)
    with pytest.raises(LogError):
        rehearse(["/nowhere/log.jsonl"], [rule()], config=CONFIG, metrics=CATALOGUE)


def test_without_events_nothing_is_told() -> None:
    run = rehearsed(iter(()), rule(no_data="alert")).run()
    assert not run.episodes
    assert (run.ticks, run.first_ms) == (0, None)


def _mentions(count: int) -> Iterator[bytes]:
    for number in range(count * 6):
        at_ms = START_MS + number * STEP_MS
        event = {
            "type": "social",
            "event_id": f"m-{number}",
            "occurred_at": format_rfc3339(at_ms),
            "action": "mention",
        }
        yield json.dumps(event).encode()


def _time_in(line: bytes) -> tuple[str, str]:
    event = json.loads(line)
    return event["occurred_at"], event["event_id"]
