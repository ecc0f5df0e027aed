"""What docs/alerts.md shows: its commands run, its rules work, its tables are those of the code."""

import os
import re
import shlex
import shutil
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest
import typer

from processor.alerting import judging, lifecycle
from processor.alerting.checks import Deployment, problems_of
from processor.alerting.rule import Rule
from processor.alerting.signals import SIGNALS
from processor.alerting.table import with_rules
from processor.alerting.wording import ALWAYS
from processor.cli import main
from processor.cli.application import app
from processor.metrics.catalogue import CATALOGUE
from processor.settings import EngineSettings
from tests.harness.waiting import PATIENCE

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = (ROOT / "docs" / "alerts.md").read_text(encoding="utf-8")
BLOCKS: Final = re.findall(r"(?:<!-- ([^\n]*) -->\n)?```(\w+)\n(.*?)```\n", PAGE, re.DOTALL)


def blocks(language: str, note: str = "") -> list[str]:
    return [text for noted, kind, text in BLOCKS if (kind, noted) == (language, note)]


def first_column(of_header: str) -> list[str]:
    """What the first cells of a table name."""
    table = PAGE[PAGE.index(f"| {of_header} |") :].split("\n\n", 1)[0]
    return re.findall(r"`(\w+)`", "".join(row.split("|")[1] for row in table.splitlines()[2:]))


def test_commands_run_and_print_what_is_shown(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    redis_url: str,
    redis_prefix: str,
) -> None:
    folder = shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "100")
    for name in [name for name in os.environ if name.startswith("CX_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CX_REDIS__URL", redis_url)
    monkeypatch.setenv("CX_REDIS__TIMEOUT_S", str(5 * PATIENCE))
    monkeypatch.setenv("CX_REDIS__PREFIX", redis_prefix.rstrip(":"))
    said = []
    for line in "".join(blocks("sh")).splitlines():
        words = shlex.split(line)
        command = words.index("cxpulse")
        with monkeypatch.context() as for_it:
            for assignment in words[:command]:
                for_it.setenv(*assignment.split("=", 1))
            assert main(words[command + 1 :]) == 0, line
        said.append(capsys.readouterr().out)
    assert len(said) == 10
    (shown,) = blocks("text", "output")
    assert shown in said


def test_rules_work() -> None:
    engine = EngineSettings(segments=(("channel",),))
    deployment = Deployment(CATALOGUE, engine.windows, engine.segments)
    rules = [
        Rule.model_validate(table)
        for text in blocks("toml")
        for table in tomllib.loads(text)["alerts"]
    ]
    assert len(rules) == 2
    assert list(problems_of(rules, deployment)) == []


def test_every_field_and_every_signal_has_its_row() -> None:
    fields = [field.alias or name for name, field in Rule.model_fields.items()]
    assert sorted(first_column("field")) == sorted(fields)
    assert first_column("signal") == list(SIGNALS)
    for name in ALWAYS:
        assert f"`{{{name}}}`" in PAGE


def test_the_table_of_shipped_rules_is_generated() -> None:
    assert with_rules(PAGE) == PAGE, "write it again: make docs"


def test_pictures_are_those_of_the_code() -> None:
    diagram, band = blocks("text")
    for picture, module in ((diagram, lifecycle), (band, judging)):
        told = [line.strip() for line in (module.__doc__ or "").splitlines()]
        for line in picture.splitlines():
            assert line.strip() in told


def test_every_option_exists() -> None:
    group: Any = typer.main.get_command(app)
    known = {
        option
        for name in ("alerts", "simulate")
        for command in getattr(
            group.commands[name], "commands", {"": group.commands[name]}
        ).values()
        for parameter in command.params
        for option in parameter.opts
    }
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", PAGE)) <= known


def test_the_example_is_that_of_the_project() -> None:
    (shown,) = blocks("python", "examples/test_my_alerts.py")
    assert shown == (ROOT / "examples" / "test_my_alerts.py").read_text(encoding="utf-8")


def test_links_lead_somewhere() -> None:
    anchors = {
        re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-")
        for title in re.findall(r"^#+ (.*)$", PAGE, re.MULTILINE)
    }
    for target in re.findall(r"\]\(#([^)]*)\)", PAGE):
        assert target in anchors
