"""What the tests of replays through Kafka have: servers, a log, and what one process says of it."""

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from processor.replay import replay, to_line
from processor.settings import Settings
from processor.simulation import simulate
from processor.simulation.pacing import encode
from schemas.timestamps import parse_rfc3339

START_MS = parse_rfc3339("2026-03-01T10:00:00Z")

Expected = Callable[..., str]


@pytest.fixture
def settings(
    kafka_bootstrap: str, redis_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Settings:
    """The servers, short windows, and fewer metrics than there are: less to write."""
    monkeypatch.setenv("CX_CONFIG", str(configuration(tmp_path)))
    return Settings(
        kafka={"bootstrap": kafka_bootstrap},
        redis={"url": redis_url},
    )


def configuration(folder: Path) -> Path:
    """A configuration file that says what all engines here have in common."""
    path = folder / "cxpulse.toml"
    path.write_text(
        '[engine]\nwindows = ["1m", "1h"]\nsegments = [["channel"]]\nlateness = "30s"\n'
        '[publisher]\nmetrics = ["nps", "csat", "bounce_rate", "conversion_rate", '
        '"avg_session_duration", "repeat_purchase_rate", "average_purchase_value", '
        '"purchase_frequency", "customers", "churn_rate", "followers", "social_likes"]\n'
    )
    return path


@pytest.fixture
def log_file(tmp_path: Path) -> Path:
    """Some 2,700 events of every type in 45 minutes, with disorder, repeats and broken ones."""
    path = tmp_path / "log.jsonl"
    events = simulate(
        seed=11, rate=1.0, start_ms=START_MS, duration_s=45 * 60, daily_rhythm=False, jitter_s=20.0
    )
    lines = [encode(event) for event in itertools.islice(events, 2_700)]
    lines[100:100] = [lines[90], b'{"type":"session"}', b"not JSON"]
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


@pytest.fixture
def expected(settings: Settings, log_file: Path) -> Expected:
    """The readings of one process, as lines."""

    def readings(every_ms: int | None = None, *, final: bool = False) -> str:
        rows = replay(
            [log_file],
            config=settings.engine.config(b""),
            metrics=settings.catalogue(()),
            every_ms=every_ms,
            final=final,
            low_sample_under=settings.engine.low_sample_under,
        )
        return "".join(map(to_line, rows))

    return readings
