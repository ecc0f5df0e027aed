"""``cxpulse config``: the effective configuration."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs: the others start sooner

from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer

_HIDDEN: Final = "**********"
"""How a secret is shown."""


def config(
    *,
    json: Annotated[bool, typer.Option("--json", help="JSON instead of TOML")] = False,
) -> None:
    """The effective configuration: cxpulse.toml and CX_ variables over it, secrets hidden.

    Example: CX_KAFKA__PARTITIONS=8 cxpulse config > cxpulse.toml
    """
    from processor.settings import load_settings

    shown = load_settings().shown()
    if json:
        from json import dumps

        typer.echo(dumps(shown, ensure_ascii=False, indent=2))
    else:
        typer.echo(as_toml(shown), nl=False)


def as_toml(sections: Mapping[str, Mapping[str, Any]]) -> str:
    """Sections of settings as TOML; a setting without a value, or a secret, becomes a comment.

    Examples:
        >>> print(as_toml({"kafka": {"group": "cxpulse", "instance_id": None}}), end="")
        [kafka]
        group = "cxpulse"
        # instance_id is not set
    """
    blocks: list[str] = []
    for name, settings in sections.items():
        _add_table(blocks, name, settings)
    return "\n".join(blocks)


def _add_table(blocks: list[str], table: str, settings: Mapping[str, Any]) -> None:
    from json import dumps

    lines = [f"[{table}]"]
    for name, value in settings.items():
        if value is None:
            lines.append(f"# {name} is not set")
        elif value == _HIDDEN:  # read again, it would be the password
            lines.append(f"# {name} is set, and not shown")
        elif not isinstance(value, dict):
            # Strings, numbers, booleans and lists of them are written alike in JSON and TOML.
            lines.append(f"{name} = {dumps(value)}")
    if len(lines) > 1 or not settings:
        blocks.append("\n".join(lines) + "\n")
    for name, value in settings.items():
        if isinstance(value, dict):
            _add_table(blocks, f"{table}.{name}", value)
