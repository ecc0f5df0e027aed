"""``cxpulse simulate --help`` names every incident and says what it does."""

from processor.simulation import KINDS
from tests.cli.commands import run


def test_every_incident_is_in_the_help() -> None:
    done = run("simulate", "--help", env={"COLUMNS": "120"})
    assert done.returncode == 0, done.stderr
    lines = [" ".join(line.strip(" │").split()) for line in done.stdout.splitlines()]
    for name, kind in KINDS.items():
        assert f"{name} {kind.effect}" in lines
