"""The Grafana dashboard, made from the catalogue.

``python -m processor.monitor.grafana > deploy/grafana/dashboards/cxpulse.json`` writes it again,
and so does ``make docs``. Two rows are for those who look now and then: readings and the processor.
The others have every metric of the catalogue, by the event type that it comes from, folded.
"""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import Any, Final

from processor.metrics.catalogue import CATALOGUE
from processor.metrics.registry import Metric
from processor.monitor.prometheus import LOWER_BOUND, READING, UPPER_BOUND, reading_names
from processor.settings.monitor import TARGETS, MonitorSettings
from schemas.readings import Unit

_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
_WIDTH: Final = 24
_HEIGHT: Final = 7
_SELECTED: Final = '{window="$window", segment=~"$segment"}'
_WHOLE: Final = '{window="$window", segment="all"}'
_PER_CENT: Final = 0.01
_UNITS: Final = {Unit.PERCENT: "percentunit", Unit.SECONDS: "s", Unit.COUNT: "short"}

Panel = dict[str, Any]
Query = tuple[str, str]
"""PromQL, and what its series are called."""


def _p99(histogram: str) -> str:
    return f"histogram_quantile(0.99, sum by (le) (rate({histogram}_bucket[5m])))"


def _mean(histogram: str, label: str) -> str:
    total, number = (
        f"sum by ({label}) (rate({histogram}_{part}[5m]))" for part in ("sum", "count")
    )
    return f"{total} / {number}"


_PROCESSOR: Final[Sequence[tuple[str, str, Sequence[Query]]]] = (
    (
        "Events a second",
        "eps",
        [('sum by (type) (rate(cxpulse_events_total{outcome="counted"}[5m]))', "{{type}}")],
    ),
    (
        "What becomes of events, a second",
        "eps",
        [
            (
                'sum by (outcome) (rate(cxpulse_events_total{outcome!="counted"}[5m]))',
                "{{outcome}}",
            )
        ],
    ),
    ("Records behind", "short", [("sum by (topic) (cxpulse_lag_records)", "{{topic}}")]),
    (
        "Age of readings and watermark",
        "s",
        [
            ("cxpulse_readings_age_seconds", "since the last tick"),
            ("cxpulse_watermark_lag_seconds", "watermark behind the clock"),
        ],
    ),
    (
        "Flush and publish, 99th percentile",
        "s",
        [
            (
                _p99("cxpulse_worker_flush_seconds"),
                "flush of a partition",
            ),
            (
                _p99("cxpulse_worker_publish_seconds"),
                "publication of a tick",
            ),
        ],
    ),
    (
        "Dead letters a second, by reason",
        "eps",
        [
            (
                "sum by (type, code) (rate(cxpulse_worker_dead_letters_total[5m]))",
                "{{type}} {{code}}",
            )
        ],
    ),
    (
        "Errors of servers a second",
        "eps",
        [
            (
                "sum by (server, kind) (rate(cxpulse_worker_errors_total[5m]))",
                "{{server}} {{kind}}",
            )
        ],
    ),
    (
        "Mean batch",
        "short",
        [
            (
                _mean("cxpulse_worker_batch_records", "type"),
                "{{type}}",
            )
        ],
    ),
    (
        "Workers: processor time",
        "percentunit",
        [('rate(process_cpu_seconds_total{job="cxpulse-worker"}[5m])', "{{instance}}")],
    ),
    (
        "Workers: memory",
        "bytes",
        [('process_resident_memory_bytes{job="cxpulse-worker"}', "{{instance}}")],
    ),
    (
        "Rebalances and takeovers in an hour",
        "short",
        [
            ("sum(increase(cxpulse_worker_rebalances_total[1h]))", "claims of partitions"),
            ("changes(cxpulse_publisher_epoch[1h])", "changes of the publisher"),
        ],
    ),
    ("Open sessions", "short", [("cxpulse_open_sessions", "open")]),
)

_STATUS: Final[Sequence[tuple[str, str, str, Sequence[tuple[str, float | None]]]]] = (
    ("Workers ready", "sum(cxpulse_worker_ready)", "short", [("red", None), ("green", 1)]),
    ("Readings' age", "cxpulse_readings_age_seconds", "s", [("green", None), ("red", 30)]),
    ("Records behind", "sum(cxpulse_lag_records)", "short", [("green", None), ("red", 100_000)]),
    (
        "Partitions not counted yet or rebuilt",
        "cxpulse_unclaimed_partitions + cxpulse_rebuilding_partitions",
        "short",
        [("green", None), ("orange", 1)],
    ),
)


def dashboard(catalogue: Mapping[str, Metric] = CATALOGUE) -> dict[str, Any]:
    """The dashboard as Grafana's JSON.

    Args:
        catalogue: the metrics to show.
    """
    shown = [name for name in MonitorSettings().page_metrics if name in catalogue]
    names = reading_names(catalogue.values())
    grid = _Grid()
    grid.row("Readings")
    for name in shown:
        metric = catalogue[name]
        query = (f"{READING}_{names[name]}{_WHOLE}", "")
        panel = _stat(_title(metric), query, _unit(metric), _steps(metric))
        grid.add(panel, _WIDTH // len(shown), _HEIGHT - 2)
    for name in shown:
        grid.add(_history(catalogue[name], names[name]), _WIDTH // 2, _HEIGHT)
    grid.row("The processor")
    for title, expression, unit, steps in _STATUS:
        grid.add(_stat(title, (expression, ""), unit, steps), _WIDTH // len(_STATUS), _HEIGHT - 3)
    for title, unit, queries in _PROCESSOR:
        grid.add(_chart(title, unit, queries), _WIDTH // 3, _HEIGHT)
    for event_type, metrics in _by_event_type(catalogue.values()).items():
        panels = [_history(metric, names[metric.name]) for metric in metrics]
        grid.row(event_type.replace("_", " ").capitalize(), folded=panels)
    return {
        "uid": "cxpulse",
        "title": "cxpulse",
        "description": "Made by python -m processor.monitor.grafana: changes here are lost.",
        "tags": ["cxpulse"],
        "schemaVersion": 39,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "15s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": _variables()},
        "panels": grid.panels,
    }


class _Grid:
    """Places panels from left to right and from top to bottom."""

    def __init__(self) -> None:
        self.panels: list[Panel] = []
        self._ids = count(1)
        self._x = self._y = self._line = 0

    def row(self, title: str, folded: Sequence[Panel] = ()) -> None:
        """Begin a row; one with panels is folded, and they are in it."""
        y = self._y + self._line
        row = {"type": "row", "title": title, "collapsed": bool(folded), "panels": []}
        self._x, self._y, self._line = 0, y + 1, 0
        self.panels.append(self._placed(row, 0, y, _WIDTH, 1))
        if folded:
            begin, outer, self.panels = self.panels[-1], self.panels, []
            for panel in folded:
                self.add(panel, _WIDTH // 3, _HEIGHT)
            begin["panels"], self.panels = self.panels, outer
            self._x, self._y, self._line = 0, y + 1, 0

    def add(self, panel: Panel, width: int, height: int) -> None:
        """Put a panel where there is room."""
        if self._x + width > _WIDTH:
            self._x, self._y, self._line = 0, self._y + self._line, 0
        self.panels.append(self._placed(panel, self._x, self._y, width, height))
        self._x, self._line = self._x + width, max(self._line, height)

    def _placed(self, panel: Panel, x: int, y: int, w: int, h: int) -> Panel:
        return {"id": next(self._ids), **panel, "gridPos": {"x": x, "y": y, "w": w, "h": h}}


def _by_event_type(metrics: Iterable[Metric]) -> dict[str, list[Metric]]:
    found: dict[str, list[Metric]] = {}
    for metric in metrics:
        found.setdefault(metric.event_types[0], []).append(metric)
    return found


def _history(metric: Metric, name: str) -> Panel:
    legend = "{{segment}} {{currency}}" if metric.per_currency else "{{segment}}"
    queries = [(f"{READING}_{name}{_SELECTED}", legend)]
    if metric.interval is not None:
        queries.append((f"{LOWER_BOUND}_{name}{_SELECTED}", f"{legend} low"))
        queries.append((f"{UPPER_BOUND}_{name}{_SELECTED}", f"{legend} high"))
    return {
        **_chart(_title(metric), _unit(metric), queries),
        "description": f"{metric.summary}. {metric.formula}",
    }


def _chart(title: str, unit: str, queries: Sequence[Query]) -> Panel:
    bound = {
        "matcher": {"id": "byRegexp", "options": "/ (low|high)$/"},
        "properties": [
            {"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [4, 6]}},
            {"id": "custom.lineWidth", "value": 1},
            {"id": "custom.hideFrom", "value": {"legend": True, "tooltip": False, "viz": False}},
        ],
    }
    bounded = any(legend.endswith(" low") for _, legend in queries)
    return {
        "type": "timeseries",
        "title": title,
        "datasource": _SOURCE,
        "fieldConfig": {
            "defaults": {"unit": unit, "custom": {"lineWidth": 2, "spanNulls": False}},
            "overrides": [bound] if bounded else [],
        },
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        "targets": _targets(queries),
    }


def _stat(title: str, query: Query, unit: str, steps: Sequence[tuple[str, float | None]]) -> Panel:
    return {
        "type": "stat",
        "title": title,
        "datasource": _SOURCE,
        "fieldConfig": {
            "defaults": {
                "unit": unit,
                "noValue": "nothing observed",
                "thresholds": {
                    "mode": "absolute",
                    "steps": [{"color": color, "value": bound} for color, bound in steps],
                },
            },
            "overrides": [],
        },
        "options": {
            "colorMode": "value",
            "graphMode": "area",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        },
        "targets": _targets([query]),
    }


def _targets(queries: Sequence[Query]) -> list[dict[str, Any]]:
    return [
        {"refId": chr(ord("A") + place), "expr": query, "legendFormat": legend or "__auto"}
        for place, (query, legend) in enumerate(queries)
    ]


def _title(metric: Metric) -> str:
    return metric.summary.partition(":")[0]


def _unit(metric: Metric) -> str:
    return _UNITS.get(metric.unit, "none")


def _steps(metric: Metric) -> list[tuple[str, float | None]]:
    """Colours by the default targets; their bounds are in the reading's unit."""
    target = TARGETS.get(metric.name)
    if target is None:
        return [("text", None)]
    scale = _PER_CENT if metric.unit is Unit.PERCENT else 1
    if target.better == "lower":
        return [("green", None), ("orange", target.good * scale)]
    fair = [] if target.fair is None else [("orange", target.fair * scale)]
    return [("red", None), *fair, ("green", target.good * scale)]


def _variables() -> list[dict[str, Any]]:
    def of_labels(name: str, label: str, chosen: str, *, multi: bool) -> dict[str, Any]:
        query = f"label_values(cxpulse_observations, {label})"
        return {
            "name": name,
            "type": "query",
            "datasource": _SOURCE,
            "query": {"query": query, "refId": name},
            "definition": query,
            "refresh": 2,
            "sort": 1,
            "multi": multi,
            "includeAll": False,
            "current": {
                "text": [chosen] if multi else chosen,
                "value": [chosen] if multi else chosen,
            },
        }

    return [
        {
            "name": "datasource",
            "type": "datasource",
            "query": "prometheus",
            "current": {"text": "Prometheus", "value": "prometheus"},
        },
        of_labels("window", "window", "24h", multi=False),
        of_labels("segment", "segment", "all", multi=True),
    ]


if __name__ == "__main__":
    json.dump(dashboard(), sys.stdout, indent=1, ensure_ascii=False)
    sys.stdout.write("\n")
