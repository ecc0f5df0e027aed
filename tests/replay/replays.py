"""What the tests of replay share."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from processor.core.config import EngineConfig
from processor.core.panes import plan_windows
from processor.metrics.catalogue import CATALOGUE
from processor.metrics.present import Row
from processor.replay import ReplayResult, replay
from tests.replay.histories import NOW_MS

SETS = (("channel",), ("channel", "plan"))


def config(*windows: str, **changes: Any) -> EngineConfig:
    return EngineConfig(
        windows=plan_windows(windows or ("1m", "5m", "1h", "24h")), segment_sets=SETS, **changes
    )


def write(path: Path, lines: Iterable[bytes]) -> Path:
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


def run(*paths: Path, engine: EngineConfig | None = None, **options: Any) -> ReplayResult:
    return replay(
        paths,
        config=engine or config(),
        metrics=CATALOGUE,
        **{"now_ms": NOW_MS, **options},
    )


def key(row: Row) -> tuple[str, str, str, str | None]:
    return row["metric"], row["window"], str(row["segment"]), row.get("currency")
