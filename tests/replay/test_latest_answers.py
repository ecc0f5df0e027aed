"""NPS, CSAT and CES of each customer's latest answer: any order, batches and partitions.

::

    window before            window
    |--- a: 9 ------ b: 3 ---|--- a: 2 ------ a: 10 ---|     a counts in both, b in the first
"""

import json
import random
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processor.core.sample import KEYS_MAX
from processor.metrics.catalogue import configured
from processor.metrics.present import Row
from processor.replay import replay, replay_log, to_line
from tests.cli.commands import run as command
from tests.replay.histories import (
    BEGIN_MS,
    MINUTE_MS,
    NOW_MS,
    arrival,
    history,
    line_of,
    text_of,
)
from tests.replay.oracle import to_ms, valid_events
from tests.replay.oracle_latest import LATEST, LatestWorld
from tests.replay.replays import config, write
from tests.replay.test_oracle import WINDOWS, check, same

CATALOGUE = configured(survey_responses="latest_per_customer")

histories = st.tuples(
    st.integers(0, 2**32), st.integers(1, 150), st.sampled_from([3, 40, 200, 3000])
)
cuts = st.tuples(st.sampled_from([1, 3, 17, 10_000]), st.sampled_from([1, 2, 5]))


def answers(
    rng: random.Random, size: int, minutes: int, *, begin_ms: int = BEGIN_MS
) -> list[tuple[int, bytes]]:
    """Surveys of a few customers, some without one, some at the instant of another."""
    found = [(begin_ms, answer(0, begin_ms, 9, "c1"))]
    times: list[int] = []
    for at, line in history(rng, 4 * size, minutes * MINUTE_MS, begin_ms=begin_ms):
        event: dict[str, Any] = json.loads(line)
        if event["type"] != "survey_response":
            continue
        if times and rng.random() < 0.2:
            at = rng.choice(times)  # noqa: PLW2901
            event["occurred_at"] = text_of(at)
        times.append(at)
        if rng.random() < 0.8:
            # The id of another's answer is no other customer than that of nobody.
            event["customer_id"] = rng.choice(("c1", "c2", "c3", "e1", "e2"))
        found.append((at, line_of(event)))
    return sorted(found)


def run(folder: str, lines: list[bytes], *windows: str, **options: Any) -> list[Row]:
    result = replay(
        [write(Path(folder, "log.jsonl"), lines)],
        config=config(*(windows or WINDOWS), survey_responses="latest_per_customer"),
        metrics=CATALOGUE,
        **{"now_ms": NOW_MS, **options},
    )
    return list(result)


@settings(deadline=None, max_examples=25)
@given(histories, cuts)
def test_readings_at_the_end_are_of_the_latest_answers(
    drawn: tuple[int, int, int], cut: tuple[int, int]
) -> None:
    seed, size, minutes = drawn
    rng = random.Random(seed)
    lines = arrival(rng, answers(rng, size, minutes))
    with TemporaryDirectory() as folder:
        rows = run(folder, lines, final=True, batch_lines=cut[0], partitions=cut[1])
    world = LatestWorld(valid_events(lines))
    assert {row["metric"] for row in rows} >= {*LATEST}
    for row in rows:
        check(row, world)
        assert not row["incomplete"]


@settings(deadline=None, max_examples=6)
@given(histories, cuts, st.sampled_from([7_000, 60_000, 1_000_000]))
def test_readings_on_the_way_are_of_the_latest_answers_up_to_their_time(
    drawn: tuple[int, int, int], cut: tuple[int, int], every_ms: int
) -> None:
    seed, size, minutes = drawn
    rng = random.Random(seed)
    lines = arrival(rng, answers(rng, size, min(minutes, 90)))
    with TemporaryDirectory() as folder:
        rows = run(folder, lines, every_ms=every_ms, batch_lines=cut[0], partitions=cut[1])
    events = valid_events(lines)
    last = max(row["revision"] for row in rows)
    ticks: dict[int, list[Row]] = {}
    for row in rows:
        if row["revision"] != last:
            ticks.setdefault(to_ms(row["as_of"]), []).append(row)
    said: dict[str, Row] = {}
    for at_ms, new in sorted(ticks.items()):
        world = LatestWorld(events, at_ms)
        for row in new:
            check(row, world)
            said[f"{row['metric']}|{row['window']}|{row['segment']}"] = row
        for row in said.values():  # what was not said again holds still
            if row["metric"] in LATEST:
                size_ms, pane_ms = WINDOWS[row["window"]]
                end = at_ms - at_ms % pane_ms + pane_ms
                value, n = world.said(row["metric"], row["segment"], None, end - size_ms, end)
                assert row["n"] == n
                assert same(row["value"], value)
    for row in rows:
        if row["revision"] == last:
            check(row, LatestWorld(events))


@settings(deadline=None, max_examples=8)
@given(histories, cuts, st.sampled_from([None, 61_000]))
def test_batches_partitions_and_order_change_no_byte(
    drawn: tuple[int, int, int], cut: tuple[int, int], every_ms: int | None
) -> None:
    seed, size, minutes = drawn
    rng = random.Random(seed)
    events = answers(rng, size, minutes)
    options: dict[str, Any] = {"final": True} if every_ms is None else {"every_ms": every_ms}
    with TemporaryDirectory() as folder:
        expected = run(folder, arrival(rng, events), **options)
        options |= {"batch_lines": cut[0], "partitions": cut[1]}
        again = run(folder, arrival(rng, events, broken=False), **options)
    assert [*map(to_line, again)] == [*map(to_line, expected)]


def answer(number: int, at: int, score: int, customer: str | None, survey: str = "nps") -> bytes:
    event = {
        "type": "survey_response",
        "event_id": f"a{number}",
        "occurred_at": text_of(at),
        "survey": survey,
        "score": score,
        "dimensions": {"channel": "web" if score > 5 else "app"},
    }
    return line_of(event if customer is None else {**event, "customer_id": customer})


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1)])
def test_the_example_above(tmp_path: Path, order: tuple[int, ...]) -> None:
    begin_ms = BEGIN_MS - BEGIN_MS % MINUTE_MS
    lines = [
        answer(0, begin_ms, 9, "a"),
        answer(1, begin_ms + 20_000, 3, "b"),
        answer(2, begin_ms + 61_000, 2, "a"),
        answer(3, begin_ms + 119_999, 10, "a"),
    ]
    rows = {
        str(row["segment"].get("channel")): row
        for row in run(str(tmp_path), [lines[i] for i in order], "1m", final=True)
        if row["metric"] == "nps" and "plan" not in row["segment"]
    }
    said = {name: (row["value"], row["n"], row["previous"]) for name, row in rows.items()}
    # Told by the app alone, a's latest answer is the 2.
    assert said == {
        "None": (100.0, 1, 0.0),
        "web": (100.0, 1, 100.0),
        "app": (-100.0, 1, -100.0),
    }


def test_of_answers_at_one_instant_the_lowest_counts_and_of_nobody_each(tmp_path: Path) -> None:
    of_one = [answer(i, BEGIN_MS, score, "a", "ces") for i, score in enumerate((5, 2, 7))]
    of_nobody = [answer(i, BEGIN_MS, score, None) for i, score in enumerate((10, 9, 0), 3)]
    rows = {
        r["metric"]: r
        for r in run(str(tmp_path), of_one + of_nobody, "1h", final=True)
        if not r["segment"]
    }
    assert (rows["ces"]["value"], rows["ces"]["n"]) == (2.0, 1)
    assert (rows["nps"]["value"], rows["nps"]["n"]) == (100 / 3, 3)


def test_the_setting_reaches_replays_of_notebooks_and_of_the_command(tmp_path: Path) -> None:
    lines = [answer(number, BEGIN_MS + number, number, "a") for number in (9, 10, 3)]
    log = write(tmp_path / "log.jsonl", lines)
    assert nps_of(replay_log(log, windows=["1h"])) == {(100 / 3, 3)}
    latest = replay_log(log, windows=["1h"], survey_responses="latest_per_customer")
    assert nps_of(latest) == {(100.0, 1)}
    env = {"CX_ENGINE__SURVEY_RESPONSES": "latest_per_customer"}
    done = command("replay", str(log), "--final", env=env, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert nps_of(list(map(json.loads, done.stdout.splitlines()))) == {(100.0, 1)}


def nps_of(rows: list[Row]) -> set[tuple[float, int]]:
    """Value and n of the whole, over all windows."""
    return {(r["value"], r["n"]) for r in rows if r["metric"] == "nps" and not r["segment"]}


CUSTOMERS = 3 * KEYS_MAX


@pytest.fixture(scope="module")
def many() -> list[bytes]:
    """Two answers of each customer; at last one half is all for, the other all against."""
    return [
        answer(number, BEGIN_MS + number * 100, score, f"c{number % CUSTOMERS}")
        for number in range(2 * CUSTOMERS)
        for score in (number % 11 if number < CUSTOMERS else 10 * (number % 2),)
    ]


@pytest.fixture(scope="module")
def of_many(tmp_path_factory: pytest.TempPathFactory, many: list[bytes]) -> list[Row]:
    return list(run(str(tmp_path_factory.mktemp("many")), many, "24h", final=True))


def test_more_customers_than_are_told_exactly_are_told_within_their_bounds(
    of_many: list[Row],
) -> None:
    (row,) = [r for r in of_many if r["metric"] == "nps" and not r["segment"]]
    assert row["low"] < row["value"] < row["high"]
    # Bounds of 95 % are missed now and then; half of their width more is not.
    width = row["high"] - row["low"]
    assert row["low"] - width / 2 < 0 < row["high"] + width / 2
    # As wide as 4097 to 8192 answers are sure, not as all customers would be.
    assert 2 * 196 / KEYS_MAX**0.5 <= width < 2 * 196 / (KEYS_MAX / 2) ** 0.5
    assert row["n"] == pytest.approx(CUSTOMERS, rel=0.06)
    assert row["n"] != CUSTOMERS


@pytest.mark.parametrize(("batch_lines", "partitions"), [(97, 1), (5000, 4)])
def test_of_more_customers_no_byte_changes_either(
    tmp_path: Path, many: list[bytes], of_many: list[Row], batch_lines: int, partitions: int
) -> None:
    rng = random.Random(2)
    late = [(i + rng.randrange(1000), line) for i, line in enumerate(many)]
    shuffled = [line for _, line in sorted(late, key=lambda item: item[0])]
    again = run(
        str(tmp_path), shuffled, "24h", final=True, batch_lines=batch_lines, partitions=partitions
    )
    assert [*map(to_line, again)] == [*map(to_line, of_many)]
