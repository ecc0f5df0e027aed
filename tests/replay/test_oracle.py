"""Replays against the contract computed the long way, over random histories and arrivals."""

import math
import random
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from processor.metrics.catalogue import CATALOGUE
from processor.metrics.present import Row
from processor.replay import to_line
from tests.replay.histories import MINUTE_MS, arrival, history
from tests.replay.oracle import World, to_ms, valid_events
from tests.replay.replays import SETS, config, key, run, write

WINDOWS = {"1m": (60_000, 1_000), "5m": (300_000, 1_000), "1h": (3_600_000, 60_000)}
"""Size and pane length of each window."""

histories = st.tuples(
    st.integers(0, 2**32), st.integers(1, 150), st.sampled_from([3, 40, 200, 3000])
)
cuts = st.tuples(st.sampled_from([1, 3, 17, 10_000]), st.sampled_from([1, 2, 5]))


def check(row: Row, world: World) -> None:
    (value, n), (previous, _) = world.reading(row)
    assert row["n"] == n, row
    assert same(row["value"], value), row
    assert same(row["previous"], previous), row


def same(said: float | None, expected: float | None) -> bool:
    if said is None or expected is None:
        return said is expected
    return math.isclose(said, expected, rel_tol=1e-9, abs_tol=1e-9)


@settings(deadline=None, max_examples=20)
@given(histories, cuts)
def test_readings_at_the_end_are_those_of_the_contract(
    drawn: tuple[int, int, int], cut: tuple[int, int]
) -> None:
    seed, size, minutes = drawn
    rng = random.Random(seed)
    lines = arrival(rng, history(rng, size, minutes * MINUTE_MS))
    with TemporaryDirectory() as folder:
        log = write(Path(folder, "log.jsonl"), lines)
        rows = list(
            run(log, engine=config(*WINDOWS), final=True, batch_lines=cut[0], partitions=cut[1])
        )
    events = valid_events(lines)
    world = World(events)
    for row in rows:
        check(row, world)
        assert (row["revision"], row["provisional"]) == (1, False)
    assert [r["as_of"] for r in rows] == [rows[0]["as_of"]] * len(rows)
    latest_ms = max(event["at"] for event in events)
    assert to_ms(rows[0]["as_of"]) == latest_ms - latest_ms % 1000
    for row in rows:
        size_ms, pane_ms = WINDOWS[row["window"]]
        end_ms = latest_ms - latest_ms % pane_ms + pane_ms
        assert (to_ms(row["window_start"]), to_ms(row["window_end"])) == (end_ms - size_ms, end_ms)
    assert {key(row) for row in rows} == expected_series(events, world, latest_ms)


def expected_series(events: list[dict[str, Any]], world: World, latest_ms: int) -> set[Any]:
    """Every metric of the whole, and every one observed in any window of a segment."""
    segments: list[dict[str, str]] = [{}]
    for names in SETS:
        for event in events:
            segment = {name: event["dimensions"].get(name) for name in sorted(names)}
            if None not in segment.values() and segment not in segments:
                segments.append(segment)
    series = set()
    for metric in CATALOGUE.values():
        for currency in ("USD", "EUR", "JPY") if metric.per_currency else (None,):
            for segment in segments:
                spans = [
                    (end - size_ms, end)
                    for size_ms, pane_ms in WINDOWS.values()
                    for latest_end in [latest_ms - latest_ms % pane_ms + pane_ms]
                    for end in (latest_end, latest_end - size_ms)
                ]
                observed = (not segment and currency is None) or any(
                    world.said(metric.name, segment, currency, *span)[1] for span in spans
                )
                if metric.name == "cac":  # its n is who joined, in whatever currency
                    observed &= any(world.spent(segment, currency, *span) for span in spans)
                if observed:
                    series |= {(metric.name, w, str(segment), currency) for w in WINDOWS}
    return series


@settings(deadline=None, max_examples=6)
@given(histories, cuts, st.sampled_from([7_000, 60_000, 1_000_000]))
def test_readings_on_the_way_show_exactly_the_events_up_to_their_time(
    drawn: tuple[int, int, int], cut: tuple[int, int], every_ms: int
) -> None:
    seed, size, minutes = drawn
    rng = random.Random(seed)
    lines = arrival(rng, history(rng, size, min(minutes, 90) * MINUTE_MS))
    with TemporaryDirectory() as folder:
        log = write(Path(folder, "log.jsonl"), lines)
        rows = list(
            run(
                log,
                engine=config(*WINDOWS),
                every_ms=every_ms,
                batch_lines=cut[0],
                partitions=cut[1],
            )
        )
    events = valid_events(lines)
    last = max(row["revision"] for row in rows)
    said: dict[Any, Row] = {}
    ticks: dict[int, list[Row]] = {}
    for row in rows:
        if row["revision"] != last:
            ticks.setdefault(to_ms(row["as_of"]), []).append(row)
    for at_ms, new in sorted(ticks.items()):
        assert at_ms % every_ms == 0
        assert [to_line(row) for row in new] == [to_line(r) for r in sorted(new, key=_written_key)]
        world = World(events, at_ms)
        for row in new:
            check(row, world)
            said[key(row)] = row
        for old in rng.sample(sorted(said, key=str), min(10, len(said))):
            size_ms, pane_ms = WINDOWS[said[old]["window"]]
            end = at_ms - at_ms % pane_ms + pane_ms
            what = said[old]["metric"], said[old]["segment"], said[old].get("currency")
            value, n = world.said(*what, end - size_ms, end)
            assert said[old]["n"] == n
            assert same(said[old]["value"], value)
    final = World(events)
    for row in rows:
        if row["revision"] == last:
            check(row, final)


def _written_key(row: Row) -> str:
    segment = ",".join(
        f"{name}={value.replace(' ', '%20')}" for name, value in sorted(row["segment"].items())
    )
    parts = [row["metric"], row["window"], segment or "all"]
    return "|".join([*parts, row["currency"]] if "currency" in row else parts)
