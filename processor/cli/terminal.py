"""What all commands share on the terminal: lines to stderr, data to stdout."""

import logging
from typing import Final

import typer

_CHATTY: Final = ("aiokafka", "faust", "mode", "asyncio")


def say(line: str) -> None:
    """Tell the person something: progress, a hint, an error."""
    typer.echo(line, err=True)


def keep_libraries_quiet() -> None:
    """Keep libraries from logging what a command says in its own words.

    aiokafka logs each failed attempt to connect as an error, before it raises the one error that
    the command explains. The worker, whose log it belongs in, sets logging up for itself.
    """
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
