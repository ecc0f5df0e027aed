"""The catalogue as a reference page: every metric with formula, unit, null rule and example.

The page is generated, ``cxpulse metrics --markdown > docs/metrics.md``, from what the metrics say
of themselves: nothing in it is written twice.
"""

import inspect
from collections.abc import Iterator, Mapping
from doctest import DocTestParser
from itertools import takewhile
from typing import Final

from processor.metrics.catalogue import CATALOGUE, configured
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

_OWN: Final = """\
# Metrics of your own

A Python module that the configuration names adds metrics, without a change to the package:

```toml
[metrics]
modules = ["my_metrics.py"]
```

A module is a `.py` file, its path relative to the configuration file, or the dotted name of an
installed module. It calls five functions, each call a metric:

<!-- my_metrics.py -->
```python
from processor.metrics.own import count, distinct, mean, quantile, ratio, where


def is_high_effort(score: int) -> bool:
    return score <= 3


def response_ms(response_seconds: float) -> int:
    return round(1000 * response_seconds)


ratio(
    "unhappy_mail_answers",
    summary="The share of NPS answers by email that are 0 to 6",
    event="survey_response",
    among=where(survey="nps", scale=None, dimensions__channel="email"),
    of=where(score__le=6),
)
count(
    "high_effort_answers",
    summary="How many customers found it hard",
    event="survey_response",
    among=where(is_high_effort, survey="ces"),
)
mean(
    "mean_order_eur",
    summary="The mean amount of orders in euros",
    event="purchase",
    value="amount_minor",
    among=where(kind="order", currency="EUR"),
    per=100,
)
distinct(
    "pages_viewed",
    summary="How many different pages were viewed",
    event="session",
    value="page",
    among=where(action="page_view"),
)
quantile(
    "social_response_p90",
    summary="The response time that nine of ten answers on social media keep",
    event="social",
    value=response_ms,
    percent=90,
    among=where(action="response"),
    unit="seconds",
    per=1000,
)
```

| function | value | unit | interval |
| --- | --- | --- | --- |
| `count` | how many events `among` holds of | count | none |
| `ratio` | the share of them that `of` holds of | percent | Wilson |
| `mean` | the mean of an integer `value` | as named, `score` unless it is | mean |
| `distinct` | how many different values a text field has | count | sketch |
| `quantile` | a percentile of an integer `value` from 0 | as named, `score` unless it is | rank |

**Conditions.** `where(...)` takes comparisons with the fields of the contract, and functions whose
parameters name the fields they read; all must hold. Two underscores stand for the dot of a field
in an object, as in `dimensions__channel` or `answers__recommend`, and begin the name of a
comparison: `__ne`, `__lt`, `__le`, `__gt`, `__ge`, `__in`. A field that an event lacks is `None`:
it compares to nothing else, and a function is given it. Comparisons are asked before functions, so
a function sees only events they hold of. Amounts are `amount_minor`, in minor units, and need a
condition that names the currency. Session events are single actions, not closed sessions.

**Values.** A mean or percentile is of an integer field, or of what a function makes of fields: an
integer, or `None` where the event has none; a mean's at most 10^12. `per` says how many of them are
one unit.

**Mistakes** end the start of worker and replay in a sentence with file and line: an unknown event
type or field, a value that a field never has, a name that is taken, a value that is no integer.
Every function is tried with all values that can be spelt out (scores, actions, `None` where a field
may be missing) and samples of the others. Where one raises for an event all the same, the event is
left out of that metric and of nothing else; the worker's log says so once, and
`own_metric_failures` counts such events.

**In use** they are metrics like the others: in `cxpulse metrics`, in readings by window and
segment, in `publisher.metrics`, and in `cxpulse replay` of the same configuration. Give all workers
the same modules. A metric counts from when its module is loaded: for the time before, replay the
log. What was counted stays as it was counted, so give a definition that changes a new name. Events
are counted once for each distinct combination of the fields that conditions and means read: scores,
actions and dimensions cost next to nothing. An identity or a page in a condition, and `distinct`
and `quantile`, cost a look at every event: a worker counts about half as many a second.

Modules are code, and run with the worker's rights.
"""

_FORMULA: Final = "Formula:"


_OTHERWISE: Final = """\
# Other definitions

Settings of `[engine]` choose them. They are of the same measures, or of more.
"""

_SETTINGS: Final = (
    ('bounce_mode = "ga4"', configured(bounce_mode="ga4")),
    ("customer_lifespan_years = 5", configured(customer_lifespan_years=5)),
    (
        'survey_responses = "latest_per_customer"',
        configured(survey_responses="latest_per_customer"),
    ),
)


def reference_markdown(catalogue: Mapping[str, Metric] = CATALOGUE) -> str:
    """The reference page of a catalogue, in Markdown."""
    entries = (_entry(metric, f"`{metric.name}`") for metric in catalogue.values())
    return "\n".join((_HEAD, *entries, _OTHERWISE, *_other_definitions(), _OWN))


def _other_definitions() -> Iterator[str]:
    for setting, changed in _SETTINGS:
        for name, metric in changed.items():
            if metric is not CATALOGUE[name]:
                yield _entry(metric, f"`{name}` with `{setting}`")


def _entry(metric: Metric, title: str) -> str:
    return "\n".join((f"## {title}", "", *_lines(metric)))


def _lines(metric: Metric) -> Iterator[str]:
    yield from (f"{metric.summary}.", "")
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
