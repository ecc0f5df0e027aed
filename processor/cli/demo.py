"""``cxpulse demo``: everything on this machine, in one go."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs: the others start sooner

from typing import Annotated

import typer

from processor.cli.errors import UsageError
from processor.cli.options import seconds


def demo(
    *,
    rate: Annotated[float, typer.Option(min=0.1, help="simulated events per second")] = 1000.0,
    seed: Annotated[int, typer.Option(help="of the simulation")] = 7,
    window: Annotated[str, typer.Option(help="the window shown, one of the configured")] = "5m",
    by: Annotated[str, typer.Option(help="the dimension of the lower table")] = "channel",
    incident: Annotated[
        list[str] | None,
        typer.Option(help="what goes wrong in the simulation, e.g. nps-drop@30s; repeatable"),
    ] = None,
    duration: Annotated[
        str | None, typer.Option(help="end after this long, e.g. 20s; default: until ctrl-c")
    ] = None,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="of the page; another one where it is taken")
    ] = 8080,
    open_page: Annotated[
        bool,
        typer.Option("--open/--no-open", help="show the page in a browser, where there is one"),
    ] = True,
    backfill: Annotated[
        str,
        typer.Option(
            help="simulated history, so that windows are not empty and sessions close; 0s for none"
        ),
    ] = "35m",
) -> None:
    """Real Kafka and Redis, a worker, a monitor and simulated events: a live page, and a table.

    The page's address is printed, and the metrics are shown in the terminal, too. Ctrl-c ends
    everything. Where stdout is not a terminal the tables are plain text.

    Example: cxpulse demo --window 1m --incident nps-drop@30s
    """
    from processor.cli.demonstration import Demonstration
    from processor.settings import load_settings

    settings = load_settings()
    if window not in settings.engine.windows:
        raise UsageError(
            f"--window: there is no window {window!r}; "
            f"configured are {', '.join(settings.engine.windows)}"
        )
    if (by,) not in settings.engine.segments:
        configured = ", ".join(names[0] for names in settings.engine.segments if len(names) == 1)
        raise UsageError(f"--by: nothing is segmented by {by!r}; configured are {configured}")
    _check_incidents(incident or [])
    simulation = ["--rate", f"{rate:g}", "--seed", str(seed), "--steady"]
    note = f"simulated events at {rate:g}/s"
    if seconds(backfill, "--backfill") > 0:
        simulation += ["--backfill", backfill]
        note += (
            f" after {backfill} of simulated history of other customers, "
            "with whom changes compare at first"
        )
    for text in incident or []:
        simulation += ["--incident", text]
    Demonstration(
        simulation=simulation,
        window=window,
        dimension=by,
        duration_s=None if duration is None else seconds(duration, "--duration"),
        note=note,
        port=port,
        open_page=open_page,
    ).run()


def _check_incidents(texts: list[str]) -> None:
    from processor.simulation import parse_incident

    for text in texts:
        try:
            parse_incident(text)
        except ValueError as error:
            raise UsageError(f"--incident: {error}") from None
