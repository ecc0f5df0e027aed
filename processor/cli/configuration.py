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


def as_toml(sections: Mapping[str, Any]) -> str:
    """Sections of settings as TOML; a setting without a value, or a secret, becomes a comment.

    Examples:
        >>> print(as_toml({"kafka": {"group": "cxpulse", "instance_id": None}}), end="")
        [kafka]
        group = "cxpulse"
        # instance_id is not set
    """
    blocks: list[str] = []
    tables = {name: value for name, value in sections.items() if _is_table(value)}
    plain = _lines({name: value for name, value in sections.items() if name not in tables})
    if plain:  # what belongs to no table has to come first
        blocks.append("\n".join(plain) + "\n")
    for name, value in tables.items():
        _add(blocks, name, value)
    return "\n".join(blocks)


def _is_table(value: object) -> bool:
    """Whether it is one table, or some of one name."""
    return isinstance(value, dict) or (
        isinstance(value, list) and any(isinstance(one, dict) for one in value)
    )


def _add(blocks: list[str], name: str, value: Mapping[str, Any] | list[Any]) -> None:
    if isinstance(value, list):
        for one in value:
            _add_table(blocks, f"[[{name}]]", name, one)
    else:
        _add_table(blocks, f"[{name}]", name, value)


def _add_table(blocks: list[str], head: str, name: str, settings: Mapping[str, Any]) -> None:
    tables = {key: value for key, value in settings.items() if _is_table(value)}
    plain = _lines({key: value for key, value in settings.items() if key not in tables})
    if plain or not settings or head.startswith("[["):
        blocks.append("\n".join([head, *plain]) + "\n")
    for key, value in tables.items():
        _add(blocks, f"{name}.{key}", value)


def _lines(settings: Mapping[str, Any]) -> list[str]:
    from json import dumps

    lines = []
    for name, value in settings.items():
        if value is None:
            lines.append(f"# {name} is not set")
        elif value == _HIDDEN:  # read again, it would be the password
            lines.append(f"# {name} is set, and not shown")
        else:
            # Strings, numbers, booleans and lists of them are written alike in JSON and TOML.
            lines.append(f"{name} = {dumps(value)}")
    return lines
