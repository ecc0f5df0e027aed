"""The guide's user may do what the scripts do: a right that is missing stops every worker."""

import re
from importlib.resources import files
from pathlib import Path

GUIDE = Path(__file__).parents[2] / "docs" / "redis.md"


def test_each_command_of_the_scripts_is_among_the_rights() -> None:
    (user,) = (n for n in GUIDE.read_text().splitlines() if n.startswith("user cxpulse "))
    rights = {word.removeprefix("+") for word in user.split() if word.startswith("+")}
    scripts = files("processor.state.scripts").iterdir()
    commands = {
        name.lower()
        for script in scripts
        if script.name.endswith(".lua")
        for name in re.findall(r"call\('(\w+)'", script.read_text())
    }
    assert "hincrby" in commands
    assert commands <= rights
