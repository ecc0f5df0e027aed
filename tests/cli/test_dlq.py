"""``cxpulse dlq`` as a person meets it."""

import asyncio
import json
import time

import pytest

from processor.cli import main
from schemas.errors import ErrorCode
from tests.harness.kafka import create_topics
from tests.harness.worker import Deployment
from tests.recording.test_deadletters import Refused, refuse

pytestmark = pytest.mark.timeout(60)

VALUE = b'{"comment":"<b>\x1b[31m \xff' + "ключ".encode() + b'"}' + b"x" * 300


@pytest.fixture
def topic(kafka_bootstrap: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The purchases' topic, with a dead letter."""
    deployment = Deployment(kafka_bootstrap, "", topic_prefix, "")
    monkeypatch.setenv("CX_KAFKA__BOOTSTRAP", kafka_bootstrap)
    monkeypatch.setenv("CX_KAFKA__TOPIC_PREFIX", topic_prefix)
    monkeypatch.setenv("CX_KAFKA__GROUP", f"{topic_prefix}group")
    record = Refused(4, time.time_ns() // 1_000_000, b"key", VALUE)

    async def fill() -> None:
        await create_topics(deployment)
        await refuse(deployment, [("purchase", record, ErrorCode.INVALID_JSON)])

    asyncio.run(fill())
    return deployment.topic("purchase")


def test_values_are_shown_only_when_asked_for(
    topic: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["dlq", "list"]) == 0
    out, err = capsys.readouterr()
    (line,) = out.splitlines()
    assert line.split("  ")[1:] == [f"{topic}/1@4", "invalid_json", "amount", "it is not so"]
    assert err == "1 dead letters: 1 invalid_json\n"

    assert main(["dlq", "list", "--show-values", "--limit", "1"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    shown = line.split("  ")[-1]
    assert shown.startswith(r'{"comment":"<b>\x1b[31m \xff\u043a\u043b')
    assert shown.endswith("xx…")
    assert len(shown) < 400

    assert main(["dlq", "list", "--json", "--type", "purchase"]) == 0
    letter = json.loads(capsys.readouterr().out)
    assert (letter["topic"], letter["partition"], letter["offset"]) == (topic, 1, 4)
    assert letter["bytes"] == len(VALUE)
    assert "value" not in letter
    assert main(["dlq", "list", "--type", "social"]) == 0
    assert capsys.readouterr() == ("", "0 dead letters\n")


def test_retry_says_what_it_sent(topic: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dlq", "retry", "--dry-run"]) == 0
    assert capsys.readouterr() == (f"1 {topic}\n", "1 dead letters would be sent again\n")
    assert main(["dlq", "retry", "--code", "invalid_json"]) == 0
    assert capsys.readouterr() == (f"1 {topic}\n", "1 dead letters sent again\n")
    assert main(["dlq", "retry"]) == 0
    assert capsys.readouterr() == ("", "0 dead letters sent again\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["list", "--code", "bad"], "--code: unknown code bad"),
        (["retry", "--type", "weather"], "--type: unknown event type weather"),
        (["retry", "--limit", "0"], "--limit"),
    ],
)
def test_wrong_usage(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dlq", *arguments]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("command", [["dlq"], ["dlq", "list"], ["dlq", "retry"]], ids=" ".join)
def test_help_has_an_example(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command, "--help"]) == 0
    assert "Example:" in capsys.readouterr().out
