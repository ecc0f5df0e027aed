"""Simulated logs through the replay, and what it says of them."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from processor.core.config import EngineConfig
from processor.core.panes import plan_windows
from processor.metrics.catalogue import CATALOGUE
from processor.metrics.present import Row
from processor.replay import replay
from processor.simulation import encode, parse_incident, simulate
from tests.simulation.streams import START_MS

Readings = dict[tuple[str, str | None], Row]
"""Readings of the whole by metric and currency."""


@cache
def readings(
    *incidents: str, seed: int = 7, rate: float, hours: float, window: str = "24h"
) -> Readings:
    """What a replay says at the end of a simulated log.

    Args:
        incidents: as on the command line.
        seed: of the simulation.
        rate: events per second.
        hours: how long it lasts.
        window: the window of the readings.
    """
    events = simulate(
        seed=seed,
        rate=rate,
        start_ms=START_MS,
        duration_s=hours * 3600,
        incidents=[parse_incident(text) for text in incidents],
    )
    config = EngineConfig(windows=plan_windows([window]), segment_sets=())
    with TemporaryDirectory() as folder:
        log = Path(folder) / "log.jsonl"
        with log.open("wb") as file:
            file.writelines(encode(event) + b"\n" for event in events)
        rows = list(
            replay(
                [log],
                config=config,
                metrics=CATALOGUE,
                final=True,
                now_ms=START_MS + int(hours * 3_600_000),
            )
        )
    return {(row["metric"], row.get("currency")): row for row in rows}
