"""``cxpulse schemas``: the messages' JSON Schema."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs: the others start sooner

from pathlib import Path
from typing import Annotated

import typer

from processor.cli.terminal import say

schemas = typer.Typer(
    help="The messages' JSON Schema.\n\nExample: cxpulse schemas export build/schemas",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@schemas.callback()
def _schemas() -> None:
    """Keeps ``export`` a command of its own, though it is the only one."""


@schemas.command()
def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="made if it is missing")],
) -> None:
    """Write the JSON Schema of every message into a folder, a file each.

    Example: cxpulse schemas export build/schemas
    """
    from schemas.jsonschema import write

    say(f"{len(write(folder))} schemas in {folder}")
