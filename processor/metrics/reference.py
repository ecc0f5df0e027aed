"""The catalogue as a reference page: every metric with formula, unit, null rule and example.

The page is generated, ``cxpulse metrics --markdown > docs/metrics.md``, from what the metrics say
of themselves: nothing in it is written twice.
"""

import inspect
from collections.abc import Iterator, Mapping
from doctest import DocTestParser
from itertools import takewhile
from typing import Final

from processor.metrics.catalogue import CATALOGUE
from processor.metrics.registry import Metric
from schemas.readings import Unit

_HEAD: Final = """\
# The metrics

<!-- Generated: cxpulse metrics --markdown > docs/metrics.md -->

A metric is a function of what was counted in a window and segment. Its value is a number in the
metric's unit, or `null` where nothing was observed: never 0, never NaN. `n` is the number of
observations behind it, `low` and `high` are its 95 % interval:

| interval | is |
| --- | --- |
| Wilson | the Wilson score interval of a share |
| adj. Wald | the adjusted Wald interval of a net score |
| mean | the t-interval of a mean; a single value has none |
| rank | the values at the ranks that chance may give a percentile |
| sketch | the bounds of a number that is told from a sample; it is exact up to 8192 |

Examples are run by the tests; the arguments are counters, as a window's panes add up to.
`cxpulse metrics` lists the metrics, with `--json` as data.
"""

_FORMULA: Final = "Formula:"


def reference_markdown(catalogue: Mapping[str, Metric] = CATALOGUE) -> str:
    """The reference page of a catalogue, in Markdown."""
    return "\n".join((_HEAD, *map(_entry, catalogue.values())))


def _entry(metric: Metric) -> str:
    return "\n".join(_lines(metric))


def _lines(metric: Metric) -> Iterator[str]:
    yield from (f"## `{metric.name}`", "", f"{metric.summary}.", "")
    if remarks := _remarks(metric):
        yield from (*remarks, "")
    yield f"- Formula: `{metric.formula}`"
    yield f"- Unit: {metric.unit}{', one value per currency' if metric.per_currency else ''}"
    yield f"- From: {', '.join(f'`{name}`' for name in metric.event_types)} events"
    yield f"- Interval: {metric.interval or 'none'}"
    yield f"- With nothing observed: {_of_nothing(metric)}"
    yield f"- Source: {metric.source}"
    yield ""
    if example := _example(metric):
        yield from ("```pycon", *example, "```", "")


def _of_nothing(metric: Metric) -> str:
    if metric.per_currency:
        return "no reading, or of a currency that was seen before " + (
            "0" if metric.compute_for({}, "USD").value == 0 else "`null`"
        )
    return "0" if metric.unit is Unit.COUNT else "`null`"


def _docstring(metric: Metric) -> str:
    return inspect.getdoc(metric.compute_for if metric.per_currency else metric.compute) or ""


def _remarks(metric: Metric) -> list[str]:
    """What the docstring says between its first line and the formula."""
    body = _docstring(metric).splitlines()[1:]
    remarks = takewhile(lambda line: not line.startswith(_FORMULA), body)
    return "\n".join(remarks).strip().splitlines()


def _example(metric: Metric) -> list[str]:
    """The docstring's examples as they would look in a session."""
    lines: list[str] = []
    for example in DocTestParser().get_examples(_docstring(metric)):
        first, *rest = example.source.splitlines()
        lines += (f">>> {first}", *(f"... {line}" for line in rest))
        lines += example.want.splitlines()
    return lines
