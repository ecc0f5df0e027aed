"""``cxpulse alerts``: what is told of rules, of history, and of alerts in a real Redis."""

import asyncio
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import redis

from processor.alerting.alert import AlertRow
from processor.alerting.evaluator import Evaluator
from processor.alerting.rule import Rule
from processor.cli import main
from processor.notifying.notification import Notification
from processor.notifying.outbox import Outbox
from processor.state.keys import Keys
from processor.state.redis_url import async_client, sync_client
from processor.state.replies import text
from tests.harness.waiting import PATIENCE

LOW: Final[Mapping[str, Any]] = {
    "name": "NPS low",
    "metric": "nps",
    "window": "5m",
    "by": ["channel"],
    "below": 0,
    "for": "2m",
    "min_samples": 5,
    "severity": "critical",
}
LAG: Final[Mapping[str, Any]] = {"name": "Lag", "metric": "processor_lag", "above": 10}
NEVER: Final[Mapping[str, Any]] = {
    "name": "Never", "metric": "csat", "window": "5m", "below": 1, "for": "1m",
}  # fmt: skip


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the command runs: without the configuration of whoever runs the tests."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("CX_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "100")
    return tmp_path


def configure(*rules: Mapping[str, Any], more: str = "") -> None:
    tables = "".join(
        "\n[[alerts]]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in rule.items())
        for rule in rules
    )
    Path("cxpulse.toml").write_text(f'[engine]\nsegments = [["channel"]]\n{more}{tables}')


# -- check -------------------------------------------------------------------------------------


def test_check_says_what_each_rule_watches(capsys: pytest.CaptureFixture[str]) -> None:
    configure(LOW, {**LAG, "for": "1m"})
    assert main(["alerts", "check"]) == 0
    said, told = capsys.readouterr()
    header, low, lag = said.splitlines()
    assert header.split() == ["rule", "severity", "watches"]
    assert low.startswith("NPS low  critical  nps over 5m, an alert for each channel: below 0, for")
    assert lag.startswith("Lag      warning   processor_lag: above 10, for 1m")
    assert told == "2 rules, no problems\n"


def test_check_finds_every_problem_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    configure(
        {**LOW, "window": "2m", "by": ["country"]},
        {"metric": "npz", "window": "1h", "below": 3},
        {**NEVER, "above": 2, "recovers_at": 0, "severity": "!"},
        {**NEVER, "name": "Both", "above": 2, "recovers_at": 0, "labels.metric": "x"},
        {**LAG, "by": ["channel"]},
        LAG,
    )
    assert main(["alerts", "check"]) == 1
    said, told = capsys.readouterr()
    problems = [line for line in said.splitlines() if line.startswith("problem: ")]
    expected = [
        "#2: name: is required",
        "Never: severity: String should match",
        "Both: needs exactly one of below, above, drop and rise: found below and above",
        "Both: recovers_at: must not be less than below",
        "Both: labels: metric is set by the alert itself",
        "NPS low: window: there is no '2m'; configured are 1m, 5m",
        "NPS low: by: nothing is segmented by country",
        "#2: metric: there is no 'npz'; did you mean 'nps'?",
        "Lag: by: processor_lag is of the whole processor",
        "Lag: another rule has this name",
    ]
    assert len(problems) == len(expected)
    for line, beginning in zip(problems, expected, strict=True):
        assert line.startswith(f"problem: {beginning}")
    assert told == "4 rules, 10 problems\n"

    assert main(["alerts", "check", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] is False
    assert found["problems"][3] == {
        "rule": "Both", "field": "recovers_at", "message": "must not be less than below",
    }  # fmt: skip


def test_check_warns_and_does_not_fail(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(LOW)
    at_once = {"name": "At once", "metric": "nps", "window": "5m", "below": 0}
    monkeypatch.setenv("CX_ALERTS", json.dumps([at_once]))  # over the file's
    assert main(["alerts", "check"]) == 0
    said, told = capsys.readouterr()
    assert "warning: At once: for: each time the value crosses 0" in said
    assert "NPS low" not in said
    assert told == "1 rules, no problems, 1 warning\n"


def test_check_warns_of_what_nobody_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def receiver(name: str, **filters: Any) -> dict[str, Any]:
        return {"name": name, "type": "webhook", "url": "https://hooks.example.org", **filters}

    def warned(*receivers: Mapping[str, Any]) -> list[str]:
        monkeypatch.setenv("CX_NOTIFY", json.dumps(receivers))
        assert main(["alerts", "check"]) == 0
        said = capsys.readouterr().out.splitlines()
        return [line.removeprefix("warning: ") for line in said if line.startswith("warning")]

    configure(LOW, {**LAG, "for": "1m"}, {**NEVER, "labels.team": "web"})
    untold = "no [[notify]] takes its alerts: see their rules, severity, labels"
    assert warned() == []
    assert warned(receiver("all")) == []
    assert warned(receiver("a", rules=["Lag", "NPS"]), receiver("b", severity=["warning"])) == [
        f"NPS low: {untold}",
        "notify a: rules: there is no rule 'NPS'",
    ]
    assert warned(receiver("a", labels={"channel": "web"})) == [
        f"Lag: {untold}",
        f"Never: {untold}",
    ]
    some = [receiver(team, labels={"team": team}) for team in ("web", "app")]
    assert warned(*some) == [f"NPS low: {untold}", f"Lag: {untold}"]
    assert warned(receiver("a", labels={"window": "5m"})) == [f"Lag: {untold}"]


def test_check_of_no_rules_and_of_the_shipped_ones(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    (folder / "cxpulse.toml").write_text("alerts = []\n")
    assert main(["alerts", "check"]) == 0
    assert capsys.readouterr() == ("", "0 rules, no problems\n")

    (folder / "cxpulse.toml").write_text('[engine]\nwindows = ["1h"]\n')
    assert main(["alerts", "check", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["shipped"] is True
    assert {remark["field"] for remark in found["left_out"]} == {"window"}
    assert not {one["rule"] for one in found["rules"]} & {one["rule"] for one in found["left_out"]}
    assert found["warnings"] == []

    (folder / "cxpulse.toml").write_text("[alerts]\nname = 1\n")
    assert main(["alerts", "check"]) == 1
    assert "problem: alerts: is no list of tables" in capsys.readouterr().out


def test_check_of_a_configuration_that_is_wrong_elsewhere(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure(LOW, more='lateness = "soon"\n')
    assert main(["alerts", "check"]) == 2
    assert "engine.lateness" in capsys.readouterr().err


# -- test --------------------------------------------------------------------------------------


@pytest.fixture
def log(folder: Path) -> Path:
    """Half an hour with an answer by web and one by app every 20 s: web is bad from 12:10."""
    lines = []
    for step in range(90):
        for channel in ("web", "app"):
            is_bad = channel == "web" and 30 <= step < 54
            event = {
                "type": "survey_response",
                "survey": "nps",
                "score": 0 if is_bad else 9,
                "event_id": f"{channel}-{step}",
                "occurred_at": f"2026-03-01T12:{step // 3:02}:{step % 3 * 20:02}Z",
                "dimensions": {"channel": channel},
            }
            lines.append(json.dumps(event))
    file = folder / "log.jsonl"
    file.write_text("\n".join([*lines, '{"type":"weather"}', ""]))
    return file


def test_test_draws_what_would_have_fired(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configure(LOW, NEVER)
    assert main(["alerts", "test", "--log", str(log)]) == 0
    said, told = capsys.readouterr()
    axis, line, legend, _, header, row, _, _, low, never = said.splitlines()
    assert axis.split() == ["2026-03-01T12:00:00Z", "2026-03-01T12:29:40Z"]
    assert len(axis) == len(line) == 100
    name, marks = line.rsplit(maxsplit=1)
    assert name == "NPS low channel=web"
    assert set(marks) == {".", "-", "#"}
    # One stretch of each: quiet, pending, firing, quiet.
    assert marks == "".join(sorted(marks[: marks.rindex("#") + 1], key=".-#".index)) + "." * (
        len(marks) - marks.rindex("#") - 1
    )
    assert legend == "- pending, # firing; times are UTC"
    assert header.split() == ["alert", "began", "fired", "ended", "fired", "for", "worst"]
    cells = [cell for cell in row.split("  ") if cell]
    assert cells[0] == "NPS low channel=web"
    assert "03-01 12:1" in cells[1] < cells[2] < cells[3]
    assert cells[5].strip() == "-100"
    assert low.split()[:5] == ["NPS", "low", "1", "1", "0"]
    assert never.split() == ["Never", "0", "0", "0", "-", "-"]
    assert "2 rules over 181 lines of 29 min 40 s: 1 fired; 1 lines rejected" in told
    assert f"{log}:181: invalid_field: " in told


def test_test_as_json_and_with_a_part_of_the_log(
    log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(LOW, NEVER)
    options = ["--json", "--rule", "NPS low", "--every", "20s"]
    assert main(["alerts", "test", "--log", str(log), *options]) == 0
    found = json.loads(capsys.readouterr().out)
    (rule,) = found["rules"]
    assert (rule["rule"], rule["fired"], rule["alerts"], rule["given_up"]) == ("NPS low", 1, 1, 0)
    (episode,) = found["episodes"]
    assert episode["segment"] == {"channel": "web"}
    assert episode["worst"] == -100
    assert episode["pending_at"] < episode["fired_at"] < episode["ended_at"]
    assert found["rejected"] == 1

    part = ["--to", "2026-03-01T12:10:00Z", "--from", "2026-03-01T12:05:00Z"]
    assert main(["alerts", "test", str(log), *part, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["first"] == "2026-03-01T12:05:00.000Z"
    assert found["episodes"] == []


@pytest.mark.parametrize(
    ("expectations", "code", "said"),
    [
        ([], 0, ""),
        (["--expect", "NPS low"], 0, ""),
        (["--expect", "NPS low", "--expect-none"], 0, ""),
        (["--expect-none"], 1, "'NPS low' fired, and was not expected to"),
        (["--expect", "Never"], 1, "'Never' was expected to fire, and did not"),
        (["--expect", "NPS lo"], 2, "there is no rule 'NPS lo' here; did you mean 'NPS low'?"),
        (["--rule", "Never", "--expect-none"], 0, ""),
        (["--rule", "Never", "--expect", "NPS low"], 2, "there is no rule 'NPS low' here"),
    ],
    ids=str,
)
def test_test_tells_a_script_by_its_exit_code(
    expectations: list[str], code: int, said: str, log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(LOW, NEVER)
    assert main(["alerts", "test", str(log), *expectations]) == code
    told = capsys.readouterr().err
    assert said in told
    assert ("not as expected" in told) == (code == 1)


def test_test_says_what_cannot_be_meant(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["alerts", "test"]) == 2
    assert "--log FILE" in capsys.readouterr().err
    assert main(["alerts", "test", "gone.jsonl"]) == 1
    assert "gone.jsonl" in capsys.readouterr().err
    configure({**LOW, "window": "2m"})
    (folder / "empty.jsonl").write_text("")
    assert main(["alerts", "test", "empty.jsonl"]) == 2
    assert "there is no '2m'" in capsys.readouterr().err
    configure(LOW)
    assert main(["alerts", "test", "empty.jsonl", "--expect-none"]) == 0
    assert "1 rules over 0 lines: 0 fired" in capsys.readouterr().err


# -- list and silence --------------------------------------------------------------------------

MINUTE_MS: Final = 60_000
START_MS: Final = 1_772_366_400_000


def reading(channel: str, value: float, revision: int) -> dict[str, Any]:
    return {
        "metric": "nps", "window": "5m", "segment": {"channel": channel}, "value": value,
        "unit": "points", "n": 40, "low": None, "high": None, "confidence": None,
        "revision": revision,
    }  # fmt: skip


def decided() -> dict[str, AlertRow]:
    """Alerts as an evaluator leaves them: web fires, sms is pending, app was resolved."""
    evaluator = Evaluator([Rule.model_validate(LOW), Rule.model_validate(LAG)], min_samples=30)
    stored: dict[str, AlertRow] = {}
    values = {
        "web": (-40.5, -40.5, -40.5, -40.5),
        "app": (-1.0, -1.0, -1.0, 20.0),
        "sms": (10.0, 10.0, 10.0, -5.0),
    }
    for minute in range(4):
        evaluator.update(
            reading(channel, of_minute[minute], minute) for channel, of_minute in values.items()
        )
        for fingerprint, row in evaluator.evaluate(START_MS + minute * MINUTE_MS).stored.items():
            assert row is not None
            stored[fingerprint] = row
    return stored


@pytest.fixture
def deployment(
    redis_url: str, redis_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[redis.Redis]:
    """A Redis with alerts in it, and a configuration that leads to it."""
    prefix = redis_prefix.rstrip(":")
    configure(LOW, LAG)
    monkeypatch.setenv("CX_REDIS__URL", redis_url)
    monkeypatch.setenv("CX_REDIS__PREFIX", prefix)
    monkeypatch.setenv("CX_REDIS__TIMEOUT_S", str(5 * PATIENCE))
    client = sync_client(redis_url)
    client.hset(
        Keys(prefix).alerts, mapping={key: json.dumps(row) for key, row in decided().items()}
    )
    yield client
    client.close()


def silences(client: redis.Redis) -> dict[str, Any]:
    key = Keys(os.environ["CX_REDIS__PREFIX"]).silences
    stored: Any = client.hgetall(key)
    return {text(field): json.loads(value) for field, value in stored.items()}


def test_list_shows_what_is_firing_and_who_silenced_it(
    deployment: redis.Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["alerts", "list"]) == 0
    said, told = capsys.readouterr()
    header, firing, pending = said.splitlines()
    assert header.split() == ["state", "severity", "rule", "segment", "value", "since", "silenced"]
    assert firing.split("  ")[0] == "firing"
    assert "NPS low  channel=web  -40.5  2026-03-01T12:02:00Z" in firing
    assert "pending  critical  NPS low  channel=sms  -5     2026-03-01T12:03:00Z" in pending
    assert told == (
        "1 firing, 1 pending, 0 silenced; nothing was published yet: is a worker running?\n"
    )

    silence = ["alerts", "silence", "--rule", "NPS low", "--label", "channel=web", "--for", "2h"]
    assert main([*silence, "--comment", "moving", "--author", "ann"]) == 0
    said, told = capsys.readouterr()
    assert list(silences(deployment)) == [said.strip()]
    assert "rule NPS low, channel=web; 1 alerts of now" in told
    assert "warning" not in told

    key = Keys(os.environ["CX_REDIS__PREFIX"]).alerts
    deployment.hset(key, "junk", "{")
    assert main(["alerts", "list", "--all", "--json"]) == 0
    said, told = capsys.readouterr()
    rows = [json.loads(line) for line in said.splitlines()]
    assert [(row["state"], row["segment"]["channel"]) for row in rows] == [
        ("firing", "web"),
        ("pending", "sms"),
        ("resolved", "app"),
    ]
    assert [row["silenced_by"] and row["silenced_by"]["comment"] for row in rows] == [
        "moving",
        None,
        None,
    ]
    assert "the stored alert 'junk' cannot be read" in told
    assert "1 firing, 1 pending, 1 resolved, 1 silenced" in told


def test_undelivered_shows_what_was_given_up_and_why(
    deployment: redis.Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    async def give_up() -> None:
        client = async_client(os.environ["CX_REDIS__URL"])
        outbox = Outbox(client, Keys(os.environ["CX_REDIS__PREFIX"]))
        rows = list(decided().values())
        for minute, (receiver, reason, alerts) in enumerate(
            [("pager", "answered 410", rows[:1]), ("mail", "timed out\x1b[2J", rows)]
        ):
            now_ms = START_MS + minute * MINUTE_MS
            await outbox.give_up(receiver, reason, Notification((), ongoing=tuple(alerts)), now_ms)
        await client.aclose()

    assert main(["alerts", "undelivered"]) == 0
    assert capsys.readouterr() == ("", "0 notifications could not be told\n")
    asyncio.run(give_up())
    assert main(["alerts", "undelivered"]) == 0
    said, told = capsys.readouterr()
    header, newest, oldest = said.splitlines()
    assert header.split() == ["when", "receiver", "alerts", "why"]
    assert newest.startswith("2026-03-01T12:01:00Z  mail      NPS low (3)  timed out\ufffd[2J")
    assert oldest.startswith("2026-03-01T12:00:00Z  pager     NPS low      answered 410")
    assert told == "2 notifications could not be told\n"
    assert main(["alerts", "undelivered", "--receiver", "pager", "--json"]) == 0
    said, told = capsys.readouterr()
    (row,) = map(json.loads, said.splitlines())
    assert (row["receiver"], row["reason"], row["count"]) == ("pager", "answered 410", 1)
    assert row["alerts"][0]["name"] == "NPS low"
    assert told == "1 notification could not be told\n"


def test_silences_are_listed_and_removed(
    deployment: redis.Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["alerts", "silence", "--list"]) == 0
    assert capsys.readouterr() == ("", "0 silences in force\n")
    added = ["alerts", "silence", "--rule", "NPS lwo", "--for", "90m", "--json"]
    assert main(added) == 0
    said, told = capsys.readouterr()
    silence = json.loads(said)
    assert silences(deployment) == {silence["id"]: silence}
    assert "no rule of this configuration has the name 'NPS lwo'; did you mean 'NPS low'?" in told

    assert main(["alerts", "silence", "--list"]) == 0
    said, told = capsys.readouterr()
    assert silence["id"] in said
    assert "rule NPS lwo" in said
    assert told == "1 silence in force\n"
    assert main(["alerts", "silence", "--list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == silence

    assert main(["alerts", "silence", "--remove", silence["id"]]) == 0
    assert main(["alerts", "silence", "--remove", silence["id"]]) == 1
    assert f"there is no silence '{silence['id']}'" in capsys.readouterr().err
    assert silences(deployment) == {}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "found none of them"),
        (["--for", "2h"], "name what to silence"),
        (["--for", "2h", "--list"], "found --for and --list"),
        (["--list", "--rule", "NPS low"], "go with --for, not with --list"),
        (["--rule", "NPS low", "--for", "soon"], "--for: "),
        (["--rule", "NPS low", "--for", "900d"], "a silence lasts from 1s to 366d"),
        (["--label", "channel", "--for", "2h"], "write name=value"),
        (["--label", "a=1", "--label", "a=2", "--for", "2h"], "a is given twice"),
        (["--rule", "NPS low", "--for", "2h", "--comment", "x" * 501], "comment: "),
    ],
)
def test_silences_that_cannot_be_meant(
    options: list[str],
    said: str,
    deployment: redis.Redis,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["alerts", "silence", *options]) == 2
    assert said in capsys.readouterr().err
    assert silences(deployment) == {}


def test_a_redis_that_is_away_is_said_in_a_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CX_REDIS__URL", "redis://127.0.0.1:1/0")
    assert main(["alerts", "list"]) == 1
    assert "does not answer" in capsys.readouterr().err
