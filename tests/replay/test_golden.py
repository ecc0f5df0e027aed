"""A small log whose readings can be checked by hand, and must not change to the byte."""

from pathlib import Path

import pytest

from processor.metrics.catalogue import CATALOGUE
from processor.replay import replay, to_line
from tests.replay.replays import config

GOLDEN = Path(__file__).parents[1] / "golden" / "replay"
ASKED = ("nps", "csat", "ctr", "bounce_rate", "average_purchase_value")


@pytest.mark.parametrize(("name", "every_ms"), [("final.jsonl", None), ("every-5m.jsonl", 300_000)])
def test_readings_are_those_on_file(name: str, every_ms: int | None) -> None:
    result = replay(
        [GOLDEN / "log.jsonl"],
        config=config("1h"),
        metrics={name: CATALOGUE[name] for name in ASKED},
        every_ms=every_ms,
        final=every_ms is None,
        now_ms=1_772_370_000_000,
    )
    lines = "".join(map(to_line, result))
    assert lines == (GOLDEN / name).read_text(encoding="utf-8")
