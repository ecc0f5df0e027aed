"""``cxpulse worker``: the Faust worker."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs: the others start sooner

from enum import StrEnum
from typing import Annotated

import typer

from processor.cli.errors import FAILED, OK
from processor.cli.options import Wait, seconds


class LogLevel(StrEnum):
    """How much is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def worker(
    *,
    loglevel: Annotated[LogLevel, typer.Option(help="debug includes Faust's own log")] = (
        LogLevel.INFO
    ),
    instance_id: Annotated[
        str | None,
        typer.Option(
            help="static group member: a worker that comes back under its name gets its "
            "partitions back at once",
        ),
    ] = None,
    wait: Wait = None,
) -> None:
    """Count events until told to stop: start as many workers as there are partitions at most.

    Ctrl-c or SIGTERM writes what is counted and ends it within 10 s, with exit code 0.

    Example: CX_KAFKA__BOOTSTRAP=127.0.0.1:9092 cxpulse worker --instance-id worker-1
    """
    from processor.settings import load_settings

    overrides = {} if instance_id is None else {"kafka": {"instance_id": instance_id}}
    settings = load_settings(**overrides)
    patience_s = None if wait is None else seconds(wait, "--wait")

    from processor.cli.faust_worker import run_worker

    stopped = run_worker(settings, loglevel.value, patience_s)
    raise typer.Exit(OK if stopped else FAILED)
