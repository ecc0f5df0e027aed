"""Logs whose readings were looked at once, are right, and must not change to the byte.

`make golden` writes the readings again, and shows what differs.
"""

import math
from pathlib import Path

import pytest

from processor.metrics.catalogue import CATALOGUE
from processor.replay import Engine, Rejects, read_log, replay, replay_log, to_line
from processor.testing.golden import differences, read_rows
from tests.golden.scenarios import (
    GOLDENS,
    NOW,
    RECIPES,
    REFUSING,
    Golden,
    rejected,
    rejects_file,
)
from tests.replay.oracle import World, to_ms, valid_events
from tests.replay.replays import config

GOLDEN = Path(__file__).parents[1] / "golden" / "replay"
ASKED = ("nps", "csat", "ctr", "bounce_rate", "average_purchase_value")

each = pytest.mark.parametrize("golden", GOLDENS, ids=lambda golden: golden.name)


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


@each
def test_readings_are_as_stored_in_any_batches_and_partitions(golden: Golden) -> None:
    stored = golden.file.read_text(encoding="utf-8")
    made = golden.replayed()
    assert not differences(read_rows(golden.file), made)
    assert "".join(map(to_line, made)) == stored
    cut = golden.replayed(partitions=3, batch_lines=7)
    assert "".join(map(to_line, cut)) == stored


@each
def test_readings_are_what_the_contract_says(golden: Golden, tmp_path: Path) -> None:
    refused = rejected_lines(golden, tmp_path / "rejects.jsonl")
    lines = [line for chunk in read_log(golden.log) for line in chunk.lines]
    events = valid_events(line for number, line in enumerate(lines, 1) if number not in refused)
    rows = read_rows(golden.file)
    last = max(row["revision"] for row in rows)
    worlds = {row["as_of"]: World(events, to_ms(row["as_of"])) for row in rows}
    at_the_end = World(events)
    for row in rows:
        world = at_the_end if row["revision"] == last else worlds[row["as_of"]]
        (value, n), (before, _) = world.reading(row)
        assert row["n"] == n, row
        assert same(row["value"], value), row
        assert same(row["previous"], before), row


def same(found: float | None, expected: float | None) -> bool:
    if found is None or expected is None:
        return found is expected
    return math.isclose(found, expected, rel_tol=1e-12)


def rejected_lines(golden: Golden, file: Path) -> set[int]:
    with file.open("w+", encoding="utf-8") as stream:
        rejects = Rejects(stream)
        replay_log(golden.log, now=NOW, rejects=rejects, **golden.options)
        stream.seek(0)
        return {row["line"] for row in read_rows(file)}


@each
def test_an_engine_by_hand_says_the_same_at_the_end(golden: Golden) -> None:
    if not golden.is_final:
        options = {name: value for name, value in golden.options.items() if name != "every"}
        made = replay_log(golden.log, now=NOW, **options)
    else:
        options, made = dict(golden.options), golden.replayed()
    engine = Engine(**options)
    for chunk in read_log(golden.log):
        for line in filter(None, chunk.lines):
            engine.send(line, now=NOW, strict=False)
    assert engine.close() == made


@pytest.mark.parametrize("folder", REFUSING)
def test_lines_are_refused_for_the_stored_reasons(folder: str) -> None:
    assert rejected(folder) == rejects_file(folder).read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("name", [name for name in RECIPES if name != "incidents"])
def test_a_log_is_what_its_recipe_makes(name: str) -> None:
    """Of the simulated one the stored log holds: the simulation may change."""
    (golden, *_) = (golden for golden in GOLDENS if golden.name.startswith(name))
    assert golden.log.read_bytes() == b"".join(line + b"\n" for line in RECIPES[name]())
