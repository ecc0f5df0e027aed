"""``cxpulse top``: the readings as they are now, in the terminal."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs: the others start sooner

from typing import Annotated

import typer

from processor.cli.errors import UsageError
from processor.cli.options import seconds


def top(
    *,
    window: Annotated[
        str | None, typer.Option(help="one of the configured windows; default: 24h, or the last")
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(help="the dimension of the lower table; default: the first configured"),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(help="what is shown, repeatable; default: monitor.page_metrics"),
    ] = None,
    interval: Annotated[str, typer.Option(help="between two looks, e.g. 500ms or 5s")] = "1s",
    once: Annotated[bool, typer.Option("--once", help="one table, and end")] = False,
) -> None:
    """Show the readings of one window live: intervals, changes, targets and the past.

    It reads Redis alone, and goes on by itself when Redis was away. Where stdout is not a terminal
    the tables are plain text. Ctrl-c or SIGTERM ends it.

    Example: cxpulse top --window 24h --by channel --metric nps --metric revenue
    """
    from processor.cli.watching import Shown, Watching
    from processor.settings import load_settings

    settings = load_settings()
    catalogue = settings.catalogue(settings.own_metrics())
    windows = settings.engine.windows
    if window is None:
        window = "24h" if "24h" in windows else windows[-1]
    elif window not in windows:
        raise UsageError(
            f"--window: there is no window {window!r}; configured are {', '.join(windows)}"
        )
    dimensions = [names[0] for names in settings.engine.segments if len(names) == 1]
    if by is None:
        by = dimensions[0] if dimensions else ""
    elif by not in dimensions:
        known = ", ".join(dimensions)
        raise UsageError(f"--by: nothing is segmented by {by!r}; configured are {known}")
    names = metric or [name for name in settings.monitor.page_metrics if name in catalogue]
    from processor.metrics.catalogue import UnknownMetric, get

    try:
        chosen = tuple(dict.fromkeys(get(name, catalogue).name for name in names))
    except UnknownMetric as error:
        raise UsageError(f"--metric: {error}") from None
    every_s = seconds(interval, "--interval")
    if every_s <= 0:
        raise UsageError("--interval: must be more than 0")
    Watching(settings, catalogue, Shown(window, by, chosen), interval_s=every_s, once=once).run()
