"""What is exported to Prometheus, as tables of a page: ``docs/monitoring.md``.

``python -m processor.monitor.prometheus_table docs/monitoring.md`` writes its tables again. They
come from pages that are made of an example, so they are of what is exported and not of a list.
"""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from prometheus_client.core import InfoMetricFamily, Metric

from processor.metrics.catalogue import CATALOGUE
from processor.monitor.prometheus import (
    LOWER_BOUND,
    READING,
    UPPER_BOUND,
    progress_families,
    reading_families,
    reading_names,
)
from processor.monitor.prometheus_alerts import alert_families
from processor.monitor.prometheus_api import build_info, redis_up, stream_families
from processor.monitor.prometheus_series import choose_series
from processor.notifying.counters import NotifyingCounters
from processor.state.live import PartitionProgress, Snapshot, Status
from processor.streaming import progress
from processor.streaming.counters import WorkerCounters
from processor.streaming.health import Health
from processor.streaming.metrics_page import HealthCollector
from schemas.events import EventType
from schemas.readings import Unit

_NOW_MS: Final = 1_772_357_400_000
_OF_THE_PROCESS: Final = ("process_", "python_")

_UNITS: Final = {
    Unit.PERCENT: "a ratio: 0.45 is 45 %",
    Unit.MONEY: "whole units of `currency`",
}


def monitor_families() -> list[Metric]:
    """All families of the monitor but those of its process and the catalogue's own."""
    status = Status(1, "2026-03-01T09:28:00Z", _NOW_MS, _NOW_MS, 0, "1:host")
    partition = PartitionProgress("t", 0, 1, 0, _NOW_MS, _NOW_MS, {"counted": 1})
    row = {
        "value": 1,
        "low": 0,
        "high": 1,
        "n": 1,
        "window_end": "2026-03-01T09:30:00Z",
        "low_sample": False,
        "provisional": False,
        "incomplete": False,
    }
    key = "nps|24h|channel=email"
    series, left_out = choose_series(
        [key], metrics=("nps",), windows=("24h",), segment_sets=(("channel",),), most=1
    )
    catalogue = {"nps": CATALOGUE["nps"]}
    readings = reading_families(catalogue, {key: row}, series, left_out)
    alert: dict[str, object] = {
        **dict.fromkeys(("name", "severity", "metric", "window", "currency"), "x"),
        "segment": {},
        "silence": None,
    }
    totals = {"firing": 1, "pending": 0, "recent": 0, "silenced": 0}
    prefixes = (f"{READING}_", f"{LOWER_BOUND}_", f"{UPPER_BOUND}_")
    snapshot = Snapshot(status=status, partitions=(partition,))
    return [
        build_info(),
        redis_up(up=True),
        *stream_families(0, 0),
        *progress_families(snapshot, {"t": EventType.PURCHASE}, _NOW_MS),
        *alert_families({"firing": [alert], "totals": totals}, 1),
        *(family for family in readings if not family.name.startswith(prefixes)),
    ]


def worker_families() -> list[Metric]:
    """All families of a worker but those of its process."""
    counters = WorkerCounters([EventType.PURCHASE])
    counters.flushed(EventType.PURCHASE, {"counted": 1}, ["invalid_json"], 0.1)
    counters.failed("redis", ConnectionError())
    NotifyingCounters(["example"], counters.registry)
    health = Health(ready_lag_max=1)
    partition = progress.PartitionProgress("t-0", 1, 1, 1, 1, 1, 1, 0, topic="t")
    answer = progress.Answer(None)
    health.show(progress.Snapshot(1, True, False, (), (partition,), (), answer, answer))
    return [
        *(f for f in counters.registry.collect() if not f.name.startswith(_OF_THE_PROCESS)),
        *HealthCollector(health).collect(),
    ]


def reading_family_names() -> dict[str, list[str]]:
    """The families of each metric of the catalogue, by its name: value, then bounds."""
    return {
        name: [
            f"{prefix}_{stem}"
            for prefix in (READING, LOWER_BOUND, UPPER_BOUND)
            if prefix == READING or CATALOGUE[name].interval is not None
        ]
        for name, stem in reading_names(CATALOGUE.values()).items()
    }


def sample_name(family: Metric) -> str:
    """What queries call a family: a counter's samples end in ``_total``."""
    if isinstance(family, InfoMetricFamily) or family.type == "info":
        return f"{family.name}_info"
    return f"{family.name}_total" if family.type == "counter" else str(family.name)


def table(families: Iterable[Metric]) -> str:
    """Families as a Markdown table."""
    lines = ["| metric | type | labels | what |", "|---|---|---|---|"]
    for family in families:
        labels = dict.fromkeys(
            label for sample in family.samples for label in sample.labels if label != "le"
        )
        shown = ", ".join(f"`{label}`" for label in labels)
        lines.append(
            f"| `{sample_name(family)}` | {family.type} | {shown} | {family.documentation} |"
        )
    return "\n".join(lines)


def readings_table() -> str:
    """The catalogue's readings as a Markdown table."""
    lines = ["| metric | exported as | unit | bounds |", "|---|---|---|---|"]
    for name, families in reading_family_names().items():
        metric = CATALOGUE[name]
        unit = _UNITS.get(metric.unit, metric.unit.value)
        bounds = "yes" if len(families) > 1 else ""
        lines.append(f"| `{name}` | `{families[0]}` | {unit} | {bounds} |")
    return "\n".join(lines)


def with_tables(page: str) -> str:
    """The page with its tables between their marks.

    Raises:
        ValueError: the page lacks one of the marks.
    """
    tables = {
        "monitor": table(monitor_families()),
        "readings": readings_table(),
        "worker": table(worker_families()),
    }
    for name, text in tables.items():
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        page = page[: page.index(begin)] + f"{begin}\n{text}\n" + page[page.index(end) :]
    return page


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        path = Path(argument)
        path.write_text(with_tables(path.read_text(encoding="utf-8")), encoding="utf-8")
