"""What docs/replay.md shows: its blocks run, its options exist, its examples are the project's."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer

from processor.cli.application import app
from tests.testing.test_plugin import EXAMPLES, clean_environment, copied_examples

PAGE = EXAMPLES.parent / "docs" / "replay.md"
_BLOCK = re.compile(r"(?:<!-- ([^\n]*) -->\n)?```(sh|python)\n(.*?)```\n", re.DOTALL)


class Block(NamedTuple):
    note: str
    language: str
    text: str


BLOCKS = [Block(*found) for found in _BLOCK.findall(PAGE.read_text(encoding="utf-8"))]


def of(language: str) -> list[Block]:
    return [block for block in BLOCKS if block.language == language]


def test_every_block_is_found() -> None:
    assert len(BLOCKS) * 2 == PAGE.read_text(encoding="utf-8").count("```")


def run(*command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = clean_environment()
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=environment,
        timeout=280,
    )


@pytest.mark.timeout(120)
def test_plain_commands_run(tmp_path: Path) -> None:
    """One process for all: to start one for each takes longer than they do."""
    lines = [line for block in of("sh") if not block.note for line in block.text.splitlines()]
    # The shell makes broken.jsonl, and the rest of what it does is for the soak.
    plain = [line for line in lines if re.fullmatch(r"cxpulse [^|<>;]*", line)]
    commands = [shlex.split(line)[1:] for line in plain if "broken.jsonl" not in line]
    assert len(commands) >= 8
    code = f"""
from processor.cli.application import app
for arguments in {commands!r}:
    assert not app(arguments, standalone_mode=False), arguments
"""
    done = run(sys.executable, "-c", code, folder=copied_examples(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.soak
@pytest.mark.timeout(300)
def test_commands_run(tmp_path: Path) -> None:
    """In one shell, one after another, as somebody who follows the page."""
    script = "set -eu\n" + "".join(block.text for block in of("sh") if not block.note)
    done = run("/bin/sh", "-c", script, folder=copied_examples(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "they differ" in done.stdout
    assert '"field":"type"' in done.stdout
    assert "1 passed" in done.stdout


def test_every_option_exists() -> None:
    group: Any = typer.main.get_command(app)
    asked: dict[str, set[str]] = {}
    text = PAGE.read_text(encoding="utf-8")
    for command, rest in re.findall(r"cxpulse (\w+)([^\n|`]*)", text):
        if command not in group.commands:
            continue  # a word of the text
        asked.setdefault(command, set()).update(re.findall(r"(--[a-z-]+)", rest))
    table = re.findall(r"^\| (`--[^|]*) \|", text, re.MULTILINE)
    asked["replay"].update(re.findall(r"`(--[a-z-]+)", "".join(table)))
    for command, options in asked.items():
        known = {name for each in group.commands[command].params for name in each.opts}
        assert options <= known, command
    assert {"replay", "record", "diff", "simulate"} <= asked.keys() & group.commands.keys()
    of_replay = {name for each in group.commands["replay"].params for name in each.opts}
    assert {name for name in of_replay if name.startswith("--")} == asked["replay"]


def test_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(copied_examples(tmp_path))
    names: dict[str, object] = {}
    for block in of("python"):
        if not block.note:
            exec(compile(block.text, str(PAGE), "exec"), names)  # the page is ours


def test_examples_are_those_of_the_project() -> None:
    noted = [block for block in of("python") if block.note]
    assert len(noted) == 3
    for block in noted:
        path, is_whole = block.note.removeprefix("in "), not block.note.startswith("in ")
        text = (EXAMPLES.parent / path).read_text(encoding="utf-8")
        assert block.text == text if is_whole else block.text in text
