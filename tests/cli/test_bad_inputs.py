"""Whatever is wrong, a person gets one line that says what to do, and never a traceback."""

from pathlib import Path

import pytest

from processor.cli import main
from tests.cli.commands import run

NOBODY = "127.0.0.1:1"

BAD = [
    # command line, environment, exit code, what the line says
    (["nonsense"], {}, 2, "No such command"),
    (["worker", "--nonsense"], {}, 2, "No such option"),
    (["metrics", "npps"], {}, 2, "unknown metric npps; there are nps, csat"),
    (["demo", "--window", "3m"], {}, 2, "configured are 1m, 5m"),
    (["demo", "--by", "mood"], {}, 2, "configured are channel, product"),
    (["demo", "--duration", "soon"], {}, 2, "--duration: not a duration: 'soon'"),
    (["demo", "--incident", "flood@1s"], {}, 2, "unknown incident 'flood'"),
    (["simulate", "--rate", "0"], {}, 2, "rate must be above 0"),
    (["simulate", "--rate", "many"], {}, 2, "'--rate': "),
    (["simulate", "--type", "sms"], {}, 2, "unknown event type sms; there are session"),
    (["simulate", "--mix", "session"], {}, 2, "not TYPE=SHARE"),
    (["simulate", "--mix", "session=0"], {}, 2, "leave no event type"),
    (["simulate", "--incident", "nps-drop"], {}, 2, "write NAME@START"),
    (["simulate", "--backfill", "0s"], {}, 2, "must be above 0"),
    (["simulate", "--start", "yesterday"], {}, 2, "--start: 'yesterday'"),
    (["simulate", "--out", "x.jsonl"], {}, 2, "--out needs --duration"),
    (["simulate", "--duration", "1s", "--out", "/no/such/folder/x"], {}, 1, "/no/such/folder/x"),
    (["replay"], {}, 2, "Missing argument"),
    (["replay", "/no/such.jsonl"], {}, 1, "/no/such.jsonl"),
    (["replay", "-", "--windows", "soon"], {}, 2, "--windows: 'soon' is not a duration"),
    (["replay", "-", "--every", "0s"], {}, 2, "--every: "),
    (["replay", "-", "--every", "1s", "--final"], {}, 2, "exclude each other"),
    (["replay", "-", "--where", "channel"], {}, 2, "write dim=value"),
    (["replay", "-", "--type", "sms"], {}, 2, "unknown event type sms"),
    (["replay", "-", "--from", "noon"], {}, 2, "--from: 'noon'"),
    (["simulate"], {"CX_KAFKA__BOOTSTRAP": NOBODY}, 1, f"Kafka at {NOBODY} does not answer"),
    (["topics", "create"], {"CX_KAFKA__BOOTSTRAP": NOBODY}, 1, "set kafka.bootstrap"),
    (["topics", "create"], {"CX_KAFKA__BOOTSTRAP": "no address"}, 2, "kafka.bootstrap"),
    (["config"], {"CX_CONFIG": "/no/such.toml"}, 2, "/no/such.toml, which is not a file"),
    (["config"], {"CX_REDIS__URL": "http://:hush@cache"}, 2, "redis.url"),
    (["config"], {"CX_ENGINE__WINDOWS": '["soon"]'}, 2, "engine.windows"),
    (["config"], {"CX_ENGINE__WINDOWS": "1h,24h"}, 2, "a list is written as JSON"),
    (["config"], {"CX_KAFKA__TOPICS": "x"}, 2, "kafka.topics"),
]


@pytest.mark.parametrize(("arguments", "env", "code", "says"), BAD, ids=str)
def test_one_line_and_an_exit_code(  # noqa: PLR0917 - a table's columns, and two fixtures
    arguments: list[str],
    env: dict[str, str],
    code: int,
    says: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert main(arguments) == code
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert line.startswith("error: ")
    assert says in line
    assert "hush" not in line


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[kafka\n", "cxpulse.toml"),
        ("[kafka]\nbootstrp = 'x'\n", "kafka.bootstrp"),
        ("[engine]\nlateness = 'soon'\n", "engine.lateness"),
        ("[kafka]\npartitions = 0\n", "kafka.partitions"),
    ],
)
def test_a_bad_configuration_file(
    text: str,
    says: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("cxpulse.toml").write_text(text)
    assert main(["config"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line


@pytest.mark.parametrize(
    ("env", "says"),
    [
        ({"CX_REDIS__URL": f"redis://:hush@{NOBODY}/0"}, "set redis.url (CX_REDIS__URL)"),
        ({"CX_KAFKA__BOOTSTRAP": NOBODY}, "set kafka.bootstrap (CX_KAFKA__BOOTSTRAP)"),
    ],
)
def test_a_worker_without_a_server(
    env: dict[str, str], says: str, kafka_bootstrap: str, redis_url: str, topic_prefix: str
) -> None:
    done = run(
        "worker",
        env={
            "CX_KAFKA__BOOTSTRAP": kafka_bootstrap,
            "CX_REDIS__URL": redis_url,
            "CX_KAFKA__TOPIC_PREFIX": topic_prefix,
            **env,
        },
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert says in line
    assert "hush" not in line
