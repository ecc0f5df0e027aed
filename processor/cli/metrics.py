"""``cxpulse metrics``: the catalogue."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs: the others start sooner

from typing import Annotated

import typer

from processor.cli.errors import UsageError


def metrics(
    names: Annotated[list[str] | None, typer.Argument(help="only these metrics")] = None,
    *,
    json: Annotated[bool, typer.Option("--json", help="JSON, with formulas and sources")] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="the reference page, with examples")
    ] = False,
) -> None:
    """The catalogue: every metric, its unit, what it says, and its interval.

    One's own, of metrics.modules in the configuration, come last.

    Example: cxpulse metrics nps csat --json
    """
    from processor.metrics.table import catalogue_rows
    from processor.settings import load_settings

    settings = load_settings()
    known = settings.catalogue(settings.own_metrics(), published=False)
    unknown = [name for name in names or () if name not in known]
    if unknown:
        raise UsageError(f"unknown metric {', '.join(unknown)}; there are {', '.join(known)}")
    chosen = {name: known[name] for name in names or known}
    if json and markdown:
        raise UsageError("--json and --markdown exclude each other")
    if markdown:
        from processor.metrics.reference import reference_markdown

        typer.echo(reference_markdown(chosen), nl=False)
        return
    rows = catalogue_rows(chosen)
    if json:
        from json import dumps

        typer.echo(dumps(rows, ensure_ascii=False, indent=2))
        return
    for row in rows:
        unit = f"{row['unit']}, per currency" if row["per_currency"] else row["unit"]
        interval = f"; {row['interval']}" if row["interval"] else ""
        typer.echo(f"{row['name']:<28}{row['what']} [{unit}{interval}]")
