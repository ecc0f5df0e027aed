"""The same arguments give the same events, whatever the machine and the Python version."""

import hashlib
import json
from itertools import islice
from pathlib import Path

import pytest

from processor.simulation import KINDS, Simulator, encode, parse_incident, simulate
from processor.simulation.chance import Chance, Weighted, lognormal
from tests.simulation.streams import START_MS, Event

GOLDEN = Path(__file__).parent / "golden" / "seed-7.jsonl"
GOLDEN_LINES = 40
HASH_OF_20_000 = "28b7882d53b2c2604036c04897797410c0ce603b8d5090635c2047419d301f32"
HASH_WITH_INCIDENTS = "71582bdce0a0ffd2158c11ed62533851c090227b2d91db0aa301853fd12b505a"


def events(count: int, *incidents: str, seed: int = 7) -> list[Event]:
    parsed = [parse_incident(text) for text in incidents]
    endless = simulate(seed=seed, rate=100, start_ms=START_MS, duration_s=None, incidents=parsed)
    return list(islice(endless, count))


def digest(found: list[Event]) -> str:
    return hashlib.sha256(b"\n".join(map(encode, found))).hexdigest()


def test_the_first_events_of_a_seed_are_those_on_file() -> None:
    # Not as bytes: the file is meant to be read, and to show a difference field by field.
    expected = [json.loads(line) for line in GOLDEN.read_text(encoding="utf-8").splitlines()]
    assert len(expected) == GOLDEN_LINES
    assert events(GOLDEN_LINES) == expected


def test_a_long_run_of_a_seed_has_the_known_hash() -> None:
    assert digest(events(20_000)) == HASH_OF_20_000


def test_a_run_with_every_incident_has_the_known_hash() -> None:
    incidents = [f"{name}@5s+1h" for name in KINDS if name != "outage"]
    assert digest(events(20_000, *incidents, "outage@100s+10s")) == HASH_WITH_INCIDENTS


def test_another_seed_gives_other_events() -> None:
    ids = {event["event_id"] for event in events(500)}
    assert ids.isdisjoint(event["event_id"] for event in events(500, seed=8))


def test_two_runs_side_by_side_do_not_disturb_each_other() -> None:
    alone = events(300)
    one, other = (iter(Simulator(seed=7, rate=100, start_ms=START_MS)) for _ in range(2))
    pairs = [(next(one), next(other)) for _ in range(300)]
    assert [event for event, _ in pairs] == alone
    assert [event for _, event in pairs] == alone


def test_a_longer_run_begins_like_a_shorter_one_at_a_constant_rate() -> None:
    short, long = (
        list(
            simulate(seed=3, rate=50, start_ms=START_MS, duration_s=duration_s, daily_rhythm=False)
        )
        for duration_s in (10, 20)
    )
    assert short == long[: len(short)]


def test_uuids_have_the_form_of_version_4() -> None:
    chance = Chance(1)
    identifiers = [chance.uuid() for _ in range(1000)]
    assert len(set(identifiers)) == 1000
    for identifier in identifiers:
        assert [len(part) for part in identifier.split("-")] == [8, 4, 4, 4, 12]
        assert identifier[14] == "4"
        assert identifier[19] in "89ab"


def test_quantile_tables_have_their_median_and_are_rounded() -> None:
    table = lognormal(median=10, sigma=0.5)
    assert table[len(table) // 2 - 1] < 10 < table[len(table) // 2]
    assert all(value == round(value, 6) for value in table)


def test_a_weighted_choice_follows_its_weights_and_skips_the_weightless() -> None:
    weighted = Weighted({"a": 1.0, "never": 0.0, "b": 3.0})
    assert [weighted.at(share) for share in (0.0, 0.2499, 0.25, 0.999999)] == ["a", "a", "b", "b"]


@pytest.mark.parametrize("weights", [{}, {"a": 0.0}, {"a": -1.0, "b": 2.0}, {"a": float("nan")}])
def test_weights_that_choose_nothing_are_refused(weights: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="weight"):
        Weighted(weights)
