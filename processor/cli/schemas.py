"""``cxpulse schemas``: the messages' JSON Schema, and AsyncAPI of the topics."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs: the others start sooner

from pathlib import Path
from typing import Annotated

import typer

from processor.cli.terminal import say

schemas = typer.Typer(
    help="The messages' JSON Schema, and AsyncAPI of the topics.\n\n"
    "Example: cxpulse schemas export build/schemas",
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
    """Write the JSON Schema of every message into a folder, and AsyncAPI 3 of every topic.

    A file for each message, such as reading.json, and asyncapi.json, which refers to them. Topics
    are called as the configuration says.

    Example: cxpulse schemas export build/schemas
    """
    from processor.settings import load_settings
    from schemas.asyncapi import write_asyncapi
    from schemas.jsonschema import write

    settings = load_settings()
    written = write(folder)
    document = write_asyncapi(
        folder,
        topic_prefix=settings.kafka.topic_prefix,
        readings_topic=settings.kafka.readings_topic,
        alerts_topic=settings.alerting.topic,
    )
    say(f"{len(written)} schemas and {document.name} in {folder}")
