import gzip
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from processor.cli import main
from processor.metrics.catalogue import CATALOGUE
from processor.settings import load_settings
from schemas.events import EventType
from schemas.validators import fast_validator
from tests.cli.commands import SECONDS, run

COMMANDS = [
    [],
    ["demo"],
    ["worker"],
    ["simulate"],
    ["replay"],
    ["metrics"],
    ["config"],
    ["doctor"],
    ["topics"],
    ["topics", "create"],
    ["schemas"],
    ["schemas", "export"],
    ["alerts"],
    ["alerts", "check"],
    ["alerts", "test"],
    ["alerts", "list"],
    ["alerts", "silence"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_has_an_example(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command, "--help"]) == 0
    assert "Example:" in capsys.readouterr().out


def test_metrics_as_text_and_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["metrics"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(CATALOGUE)

    assert main(["metrics", "csat", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["name"], row["unit"], row["interval"]) == ("csat", "percent", "Wilson")


def test_config_is_toml_that_says_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CX_REDIS__URL", "redis://me:hush@cache:6379/2")
    monkeypatch.setenv("CX_KAFKA__GROUP", 'a "group" \\ of ours')
    monkeypatch.setenv("CX_PRIVACY__HASH_KEY", "hush, too")
    assert main(["config"]) == 0
    text = capsys.readouterr().out
    assert "hush" not in text
    assert tomllib.loads(text)["kafka"]["group"] == 'a "group" \\ of ours'

    assert main(["config", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert "hush" not in str(shown)
    monkeypatch.delenv("CX_KAFKA__GROUP")
    Path("cxpulse.toml").write_text(text)
    assert load_settings().engine.model_dump(mode="json") == shown["engine"]
    assert load_settings().kafka.model_dump(mode="json") == shown["kafka"]


def test_schemas_export(tmp_path: Path) -> None:
    assert main(["schemas", "export", str(tmp_path / "new" / "folder")]) == 0
    names = {file.stem for file in (tmp_path / "new" / "folder").iterdir()}
    messages = {*(event_type.value for event_type in EventType), "reading", "alert"}
    assert names == messages | {"asyncapi"}


def test_simulate_to_a_file_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    options = ["--duration", "5s", "--rate", "100", "--start", "2026-03-01T12:00:00Z"]
    files = [tmp_path / name for name in ("a.jsonl", "b.jsonl", "c.jsonl.gz", "d.jsonl.gz")]
    for file in files:
        assert main(["simulate", *options, "--out", str(file)]) == 0
    plain = files[0].read_bytes()
    assert files[1].read_bytes() == plain
    assert gzip.decompress(files[2].read_bytes()) == plain
    assert files[3].read_bytes() == files[2].read_bytes()

    other = tmp_path / "other.jsonl"
    assert main(["simulate", *options, "--seed", "8", "--out", str(other)]) == 0
    assert other.read_bytes() != plain


def test_simulate_only_some_types_to_stdout() -> None:
    done = run("simulate", "--duration", "3s", "--type", "session", "--out", "-")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert done.stderr.splitlines() == [f"{len(lines)} events"]
    validate = fast_validator(EventType.SESSION)
    assert all(validate(line.encode()) for line in lines)


@pytest.mark.parametrize(("arguments", "most"), [(["--help"], 100_000), (["metrics"], 400_000)])
def test_quick_commands_are_quick(arguments: list[str], most: int) -> None:
    # Calls of Python's functions: seconds, also those of CPU time, are more on a busy machine.
    program = f"""
import sys
calls = 0
def count(frame, event, argument):
    global calls
    calls += event == "call"
sys.setprofile(count)
from processor.cli import main
code = main({arguments!r})
sys.setprofile(None)
sys.stderr.write(str(calls))
sys.exit(code)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=SECONDS
    )
    assert 10_000 < int(done.stderr) < most


def test_quick_commands_import_none_of_the_heavy_libraries() -> None:
    program = (
        "import sys\nfrom processor.cli import main\nmain(['metrics'])\n"
        "sys.stderr.write(' '.join({'faust', 'aiokafka', 'redis', 'rich.live'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=SECONDS
    )
    assert done.stderr == ""


def test_replay_of_a_simulated_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log, out, rejects = (tmp_path / name for name in ("log.jsonl", "readings.jsonl", "rejects"))
    begin = "2026-03-01T12:00:00Z"
    options = ["--duration", "60s", "--rate", "50", "--start", begin]
    assert main(["simulate", *options, "--out", str(log)]) == 0
    with log.open("a") as file:
        file.write("not an event\n")
    capsys.readouterr()

    options = ["--final", "--windows", "1m,1h", "--by", "channel", "--now", "2026-03-01T12:01:00Z"]
    arguments = [*options, "--out", str(out), "--rejects", str(rejects)]
    assert main(["replay", str(log), *arguments]) == 0
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert {row["window"] for row in rows} == {"1m", "1h"}
    assert {name for row in rows for name in row["segment"]} == {"channel"}
    (nps,) = (r for r in rows if (r["metric"], r["window"], r["segment"]) == ("nps", "1h", {}))
    answers = [json.loads(line) for line in log.read_text().splitlines()[:-1]]
    assert nps["n"] == sum(event.get("survey") == "nps" for event in answers)
    assert len(rejects.read_text().splitlines()) == 1
    assert "1 rejected" in capsys.readouterr().err

    assert main(["replay", str(log), *options]) == 0
    assert capsys.readouterr().out == out.read_text()
