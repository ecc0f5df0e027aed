"""The same log gives the same bytes, in any batches, partitions and order within the lateness."""

import json
import random
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processor.replay import to_line
from tests.replay.histories import MINUTE_MS, arrival, history
from tests.replay.replays import config, run, write


def output(folder: str, lines: list[bytes], **options: Any) -> str:
    return "".join(map(to_line, run(write(Path(folder, "log.jsonl"), lines), **options)))


SPEEDS = (10.0, None)
BATCHES = (1, 7, 10_000)
PARTITIONS = (1, 8)
SQUARE = list(product(SPEEDS, BATCHES, PARTITIONS))
EACH_OF_THEM_ONCE = [(10.0, 1, 8), (10.0, 10_000, 1), (None, 7, 8)]
"""Some of the square; the others are left to the soak."""

WAYS: list[dict[str, Any]] = [{"final": True}, {"every_ms": 2_000}]


@pytest.mark.parametrize(
    ("speed", "batch_lines", "partitions"),
    [
        pytest.param(*cut, marks=() if cut in EACH_OF_THEM_ONCE else pytest.mark.soak)
        for cut in SQUARE
    ],
)
def test_speed_batches_and_partitions_change_no_byte(
    tmp_path: Path, speed: float | None, batch_lines: int, partitions: int
) -> None:
    """Twenty seconds of events, up to two seconds late: readings come while they are paced."""
    rng = random.Random(77)
    arriving = [
        (at + rng.randrange(2_000), line) for at, line in history(rng, 150, 20_000) for _ in "ab"
    ]
    lines = [line for _, line in sorted(arriving, key=lambda event: event[0])]
    for mode in WAYS:
        options = {**mode, "engine": config("1m", "1h", lateness_ms=2_000)}
        expected = output(str(tmp_path), lines, **options)
        assert expected.count('"nps"') > (0 if "final" in mode else 10)
        options |= {"speed": speed, "batch_lines": batch_lines, "partitions": partitions}
        assert output(str(tmp_path), lines, **options) == expected


MODES: list[dict[str, Any]] = [{"final": True}, {"every_ms": 10_000}, {"every_ms": 61_000}]


CUTS = [(1, 1), (2, 2), (50, 3), (333, 4), (10_000, 1)]
"""Lines per batch, and partitions."""


@settings(deadline=None, max_examples=10)
@given(
    seed=st.integers(0, 2**32),
    minutes_and_mode=st.sampled_from([(5, 0), (5, 1), (90, 2), (20, 1), (4000, 0)]),
    cut=st.sampled_from(CUTS),
    windows=st.sampled_from([("1m",), ("1m", "1h"), ("5m", "24h", "30d")]),
)
def test_batches_partitions_and_order_change_no_byte(
    seed: int, minutes_and_mode: tuple[int, int], cut: tuple[int, int], windows: tuple[str, ...]
) -> None:
    minutes, mode = minutes_and_mode
    rng = random.Random(seed)
    events = history(rng, 100, minutes * MINUTE_MS)
    options = {**MODES[mode], "engine": config(*windows)}
    with TemporaryDirectory() as folder:
        expected = output(folder, arrival(rng, events), **options)
        again = arrival(rng, events, broken=False)
        options |= {"batch_lines": cut[0], "partitions": cut[1]}
        assert output(folder, again, **options) == expected


ONE_ROW_AND_COLUMN = [(MODES[0], cut) for cut in CUTS] + [(mode, CUTS[1]) for mode in MODES[1:]]


@pytest.mark.parametrize(
    ("mode", "cut"),
    [
        pytest.param(*pair, marks=() if pair in ONE_ROW_AND_COLUMN else pytest.mark.soak)
        for pair in product(MODES, CUTS)
    ],
    ids=str,
)
def test_more_segments_than_fit_are_admitted_in_order_of_arrival(
    tmp_path: Path, mode: dict[str, Any], cut: tuple[int, int]
) -> None:
    rng = random.Random(5)
    events = [
        (at, line.replace(b'"channel":"web"', b'"channel":"web%d"' % rng.randrange(40)))
        for at, line in history(rng, 300, 10 * MINUTE_MS)
    ]
    lines = [line for _, line in events]
    options = {**mode, "engine": config("1h", segment_cap=5)}
    expected = output(str(tmp_path), lines, **options)
    channels = (json.loads(line).get("dimensions", {}).get("channel") for line in lines)
    first_five = list(dict.fromkeys(filter(None, channels)))[:5]
    # A segment is admitted also by an event that no reading tells of, as of a ticket opened.
    assert {"__other__"} < segments(expected) <= {*first_five, "__other__"}
    assert len(segments(expected)) >= len(first_five)
    cut_otherwise = {"batch_lines": cut[0], "partitions": cut[1]}
    assert output(str(tmp_path), lines, **options, **cut_otherwise) == expected


def segments(readings: str) -> set[str]:
    said = [json.loads(line)["segment"] for line in readings.splitlines()]
    return {segment["channel"] for segment in said if segment.keys() == {"channel"}}


@pytest.mark.parametrize("partitions", [1, 4])
@pytest.mark.parametrize("batch_lines", [1, 3, 10_000])
def test_an_id_used_again_hours_later_counts_again_and_within_minutes_does_not(
    tmp_path: Path, batch_lines: int, partitions: int
) -> None:
    minutes = [0, 1, 9, 60, 61, 300]
    lines = [
        b'{"type":"survey_response","event_id":"same","customer_id":"c","survey":"nps","score":9,'
        b'"occurred_at":"2026-03-01T%02d:%02d:00Z"}' % divmod(minute, 60)
        for minute in minutes
    ]
    log = write(tmp_path / "log.jsonl", lines)
    result = run(log, final=True, batch_lines=batch_lines, partitions=partitions)
    (nps,) = [r for r in result if r["metric"] == "nps" and r["window"] == "24h"]
    assert nps["n"] == 3
    assert result.summary.total("repeats") == 3
    assert result.summary.total("conflicts") == 3


@pytest.mark.parametrize("partitions", [1, 2, 16])
@pytest.mark.parametrize("batch_lines", [1, 10_000])
def test_an_id_is_forgotten_by_the_clock_of_all_partitions(
    tmp_path: Path, batch_lines: int, partitions: int
) -> None:
    """Ids of 12:00 are forgotten at 12:15; the second "same" comes after that, but is of 12:14."""
    used = [("same", "12:00:00"), ("another", "12:15:30"), ("same", "12:14:00")]
    lines = [
        b'{"type":"survey_response","event_id":"%s","customer_id":"%s","survey":"nps","score":9,'
        b'"occurred_at":"2026-03-01T%s.000Z"}' % (who.encode(), who.encode(), time.encode())
        for who, time in used
    ]
    log = write(tmp_path / "log.jsonl", lines)
    result = run(log, final=True, batch_lines=batch_lines, partitions=partitions)
    assert {r["n"] for r in result if r["metric"] == "nps" and r["window"] == "1h"} == {3}


def test_two_replays_of_one_log_are_equal_to_the_byte(tmp_path: Path) -> None:
    rng = random.Random(11)
    lines = arrival(rng, history(rng, 200, 15 * MINUTE_MS))
    first, second = (output(str(tmp_path), lines, every_ms=30_000) for _ in range(2))
    assert first == second
