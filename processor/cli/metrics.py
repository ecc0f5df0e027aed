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

    Example: cxpulse metrics nps csat --json
    """
    from processor.metrics.catalogue import CATALOGUE
    from processor.metrics.table import catalogue_rows

    unknown = [name for name in names or () if name not in CATALOGUE]
    if unknown:
        raise UsageError(f"unknown metric {', '.join(unknown)}; there are {', '.join(CATALOGUE)}")
    chosen = {name: CATALOGUE[name] for name in names or CATALOGUE}
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
