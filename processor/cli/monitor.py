"""``cxpulse monitor``: the page, the API, ``/metrics``."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs: the others start sooner

import logging
from typing import Annotated

import typer

from processor.cli.errors import FAILED, OK
from processor.cli.terminal import say
from processor.cli.worker import LogLevel


def monitor(
    *,
    host: Annotated[
        str | None, typer.Option(help="address to bind; any other than loopback needs a token")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="TCP port; 0 for a free one")
    ] = None,
    loglevel: Annotated[LogLevel, typer.Option(help="how much is logged")] = LogLevel.INFO,
) -> None:
    """Show the readings: a page, an API and a live stream, from Redis alone.

    It starts also while Redis is away, and says so until it answers. Ctrl-c or SIGTERM ends it
    within seconds, with exit code 0.

    Example: CX_REDIS__URL=redis://127.0.0.1:6379/0 cxpulse monitor --port 8080
    """
    from processor.settings import load_settings

    given = {"host": host, "port": port}
    overrides = {name: value for name, value in given.items() if value is not None}
    settings = load_settings(**({"monitor": overrides} if overrides else {}))

    from processor.cli.faust_worker import set_up_logging
    from processor.monitor.app import create_app
    from processor.monitor.server import listen, serve, url_of

    set_up_logging(loglevel.value)
    if loglevel is not LogLevel.DEBUG:  # it tells each step of its start and stop
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    app = create_app(settings)
    listening = listen(settings.monitor.host, settings.monitor.port)
    url = url_of(listening, settings.monitor.host)
    stopped = serve(app, settings.monitor, listening, lambda: say(f"the monitor is at {url}"))
    raise typer.Exit(OK if stopped else FAILED)
