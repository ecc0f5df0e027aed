"""``cxpulse diff``: two readings files compared, series by series."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs: the others start sooner

import json as json_format
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from processor.cli.errors import FAILED, CommandError, UsageError
from processor.cli.tables import plain, table
from processor.cli.terminal import say

if TYPE_CHECKING:
    from processor.replay.comparison import Comparison, Tolerance
    from processor.replay.comparison_outcome import Difference, MetricSummary

_SHOWN: Final = 20
_WORDS: Final = {"only_a": "only in A", "only_b": "only in B"}


def diff(
    a: Annotated[str, typer.Argument(metavar="A", help=".jsonl, .gz, .zst, or - for stdin")],
    b: Annotated[str, typer.Argument(metavar="B", help="the readings A is compared with")],
    *,
    tolerance: Annotated[
        str, typer.Option(help="how far value, low, high, previous, change may be off: 0.01 or 1%")
    ] = "0",
    ignore: Annotated[
        list[str] | None, typer.Option(help="a field not to compare, e.g. revision; repeatable")
    ] = None,
    show: Annotated[int, typer.Option(min=0, help="how many differences to show")] = _SHOWN,
    json: Annotated[bool, typer.Option("--json", help="one JSON object instead of tables")] = False,
) -> None:
    """Compare two readings files by series and end of window; exit 0 where they are equal, else 1.

    Rows may stand in any order. Where a series speaks of a window several times, rows that say the
    same meet first, and the others in order of as_of and revision. No tolerance is given to n, to
    flags, or to times; null equals null alone.

    Example: cxpulse diff before.jsonl after.jsonl.gz --tolerance 0.01 --ignore revision
    """
    from processor.replay import LogError
    from processor.replay.comparison_files import compare_files

    ignored = _ignored(ignore or [])
    allowed = _tolerance(tolerance)
    if a == b == "-":
        raise UsageError("only one of A and B can be standard input")
    try:
        with compare_files(a, b, tolerance=allowed, ignore=ignored) as comparison:
            shown: list[Difference] = []
            for difference in comparison:
                if len(shown) < show:
                    shown.append(difference)
    except LogError as error:
        raise CommandError(str(error)) from error
    if json:
        typer.echo(json_format.dumps(_as_json(a, b, comparison, shown), ensure_ascii=False))
    elif not comparison.equal or allowed.absolute or allowed.relative:
        _print(comparison, shown)
    total = comparison.total()
    if comparison.equal:
        say(f"equal: {total.compared} rows of {len(comparison.metrics)} metrics")
        return
    say(
        f"differ: {total.differing} of {total.compared} rows, "
        f"{total.only_a} only in A, {total.only_b} only in B"
    )
    raise typer.Exit(FAILED)


def _tolerance(text: str) -> "Tolerance":
    from processor.replay.comparison import Tolerance

    try:
        return Tolerance.parse(text)
    except ValueError as error:
        raise UsageError(f"--tolerance: {error}") from None


def _ignored(names: Sequence[str]) -> frozenset[str]:
    from processor.replay.comparison_rows import ALIGNING
    from schemas.readings import Reading

    fields = set(Reading.model_fields) - ALIGNING
    if wrong := [name for name in names if name not in fields]:
        raise UsageError(
            f"--ignore: {', '.join(wrong)}: can be {', '.join(sorted(fields))}; "
            "the others say which row it is"
        )
    return frozenset(names)


def _as_json(
    a: str, b: str, comparison: "Comparison", shown: Sequence["Difference"]
) -> dict[str, Any]:
    return {
        "a": a,
        "b": b,
        "equal": comparison.equal,
        "total": comparison.total().as_dict(),
        "metrics": {
            name: comparison.metrics[name].as_dict() for name in sorted(comparison.metrics)
        },
        "differences": [difference.as_dict() for difference in shown],
    }


def _print(comparison: "Comparison", shown: Sequence["Difference"]) -> None:
    if shown:
        table(("series", "window_end", "field", "A", "B"), list(_difference_rows(shown)))
        typer.echo("")
    table(
        ("metric", "compared", "equal", "differing", "only in A", "only in B", "largest"),
        [_summary_row(name, comparison.metrics[name]) for name in sorted(comparison.metrics)],
        numbers=True,
    )


def _difference_rows(shown: Iterable["Difference"]) -> Iterable[tuple[str, ...]]:
    for difference in shown:
        where = (plain(difference.key), difference.window_end)
        if not difference.fields:
            lines = tuple("" if n is None else f"line {n}" for n in (difference.a, difference.b))
            yield *where, _WORDS[difference.kind], *lines
        for found in difference.fields:
            yield *where, plain(found.name), _value(found.a), _value(found.b)
            where = ("", "")


def _summary_row(name: str, summary: "MetricSummary") -> tuple[str, ...]:
    counts = (summary.compared, summary.equal, summary.differing, summary.only_a, summary.only_b)
    return plain(name), *map(str, counts), f"{summary.largest:.6g}"


def _value(value: Any) -> str:
    return json_format.dumps(value)  # also keeps control characters from the terminal
