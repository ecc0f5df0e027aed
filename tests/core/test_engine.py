"""The engine: what is refused and why, and that batches, paths and restarts change nothing."""

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processor.core.bases import CELL
from processor.core.config import EngineConfig
from processor.core.engine import PartitionEngine
from processor.core.panes import DAY_MS, MINUTE_MS
from processor.core.rollup import PaneDeltas, merge_deltas
from processor.core.segments import Segmentation
from processor.metrics.measures import PLANS, MeasurePlan, count_session
from processor.simulation import encode, simulate
from schemas.events import EventType
from schemas.timestamps import format_rfc3339

NOW = 1_790_000_000_000
CONFIG = EngineConfig()


def new_engine(event_type: EventType = EventType.SURVEY_RESPONSE) -> PartitionEngine:
    return PartitionEngine(
        event_type,
        PLANS[event_type],
        CONFIG,
        Segmentation(CONFIG.segment_sets, CONFIG.segment_cap),
        count_session=count_session,
    )


def answer(score: Any = 9, at_ms: int = NOW, event_id: str = "e", **fields: Any) -> bytes:
    event = {
        "type": "survey_response",
        "event_id": event_id,
        "occurred_at": format_rfc3339(at_ms),
        "survey": "nps",
        "score": score,
        **fields,
    }
    return json.dumps(event).encode()


def settle(engine: PartitionEngine) -> None:
    engine.learn_customers(dict.fromkeys(engine.unknown_customers()))
    engine.segmentation.admit_locally(engine.unknown_segments())


def take(engine: PartitionEngine) -> PaneDeltas:
    settle(engine)
    return engine.take().deltas


def test_one_answer_counts_in_every_tier_and_series_it_belongs_to() -> None:
    engine = new_engine()
    assert engine.fold([answer(dimensions={"channel": "email"})], NOW) == []
    deltas = take(engine)
    assert {pane_ms for pane_ms, _ in deltas} == {tier.pane_ms for tier in CONFIG.tiers}
    for (pane_ms, start), by_series in deltas.items():
        assert start == NOW - NOW % pane_ms
        assert by_series == {"all": {"nps.9": 1}, "channel=email": {"nps.9": 1}}


@pytest.mark.parametrize(
    ("record", "code", "field"),
    [
        (None, "empty_value", ""),
        (b"", "empty_value", ""),
        (b"{", "invalid_json", ""),
        (b"\xff\xfe", "invalid_json", ""),
        (b"[1]", "not_an_object", ""),
        (b'{"a":' * 1000 + b"1" + b"}" * 1000, "invalid_json", ""),
        (b'{"type": "' + b"x" * 70_000 + b'"}', "too_large", ""),
        (answer(score="9"), "invalid_field", "score"),
        (answer(score=True), "invalid_field", "score"),
        (answer(score=None), "invalid_field", "score"),
        (answer(score=11), "invalid_field", "score"),
        (answer(score=-1), "invalid_field", "score"),
        (answer(occurred_at=1_790_000_000), "invalid_field", "occurred_at"),
        (answer(occurred_at="2026-02-30T12:00:00Z"), "invalid_field", "occurred_at"),
        (answer(at_ms=NOW + 5 * MINUTE_MS + 1), "too_far_ahead", "occurred_at"),
        (answer(at_ms=NOW + 10 * DAY_MS), "too_far_ahead", "occurred_at"),
        (answer(type="purchase"), "wrong_type", "type"),
    ],
)
def test_a_refused_record_names_its_field_and_costs_no_other_event(
    record: bytes | None, code: str, field: str
) -> None:
    engine = new_engine()
    good = [answer(event_id="a"), answer(event_id="b")]
    (rejected,) = engine.fold([good[0], record, good[1]], NOW)
    assert (rejected.position, rejected.error.code, rejected.error.field) == (1, code, field)
    assert sum(d["all"]["nps.9"] for (pane, _), d in take(engine).items() if pane == 1000) == 2
    assert engine.clock_ms == NOW  # a refused time never moves the clock


def test_an_event_exactly_at_the_allowed_skew_is_counted() -> None:
    engine = new_engine()
    assert engine.fold([answer(at_ms=NOW + 5 * MINUTE_MS)], NOW) == []


def test_an_event_older_than_the_longest_window_is_late_dropped_and_a_younger_one_counted() -> None:
    engine = new_engine()
    engine.fold([answer(event_id="now")], NOW)
    (rejected,) = engine.fold(
        [
            answer(at_ms=NOW - 30 * DAY_MS, event_id="just"),
            answer(at_ms=NOW - 30 * DAY_MS - 1, event_id="old"),
        ],
        NOW,
    )
    assert (rejected.position, rejected.error.code) == (1, "too_late")
    assert engine.take().stats == {"counted": 2, "late_dropped": 1}


def test_two_hours_late_is_counted_and_windows_do_not_move_back() -> None:
    engine = new_engine()
    engine.fold([answer(event_id="now")], NOW)
    engine.fold([answer(event_id="late", at_ms=NOW - 2 * 60 * MINUTE_MS)], NOW)
    deltas = take(engine)
    assert engine.clock_ms == NOW
    hour = CONFIG.windows[2].pane_ms
    late = NOW - 2 * 60 * MINUTE_MS
    assert deltas[hour, late - late % hour]["all"] == {"nps.9": 1}


def test_offsets_and_fractions_of_time_are_understood() -> None:
    engine = new_engine()
    texts = ["2026-09-21T18:13:20+05:30", "2026-09-21T12:43:20.999Z", "2026-09-21t12:43:20z"]
    records = [answer(occurred_at=t, event_id=t) for t in texts]
    assert engine.fold(records, NOW) == []
    assert [d for (p, _), d in take(engine).items() if p == 1000] == [{"all": {"nps.9": 3}}]


# -- the same events, however they come ----------------------------------------------------------


def history(event_type: EventType, seed: int) -> list[bytes]:
    mix = {event_type.value: 1.0}
    start = NOW - 40 * MINUTE_MS
    events = simulate(seed=seed, rate=0.2, start_ms=start, duration_s=2_300, mix=mix)
    return [encode(event) for event in events]


def fold_all(engine: PartitionEngine, records: list[bytes], size: int) -> PaneDeltas:
    total: PaneDeltas = {}
    for i in range(0, len(records), size):
        assert engine.fold(records[i : i + size], NOW) == []
        if i % 3 == 0:
            merge_deltas(total, take(engine))
    engine.close_sessions()
    merge_deltas(total, take(engine))
    return kept(total, engine.clock_ms)


def kept(deltas: PaneDeltas, clock_ms: int) -> PaneDeltas:
    """What there is to see at the end: without dropped panes and counters that came to zero."""
    tiers = {tier.pane_ms: tier for tier in CONFIG.tiers}
    found: PaneDeltas = {}
    for (pane_ms, start), by_series in deltas.items():
        series = {name: measures for name, measures in by_series.items() if measures}
        if series and ((pane_ms, start) == CELL or tiers[pane_ms].keeps(start, clock_ms)):
            found[pane_ms, start] = series
    return found


HISTORIES = {t: history(t, 7) for t in (EventType(name) for name in PLANS)}
EXPECTED = {t: fold_all(new_engine(t), records, 10_000) for t, records in HISTORIES.items()}


@settings(max_examples=40)
@given(
    st.sampled_from(sorted(HISTORIES)),
    st.integers(1, 400),
    st.randoms(use_true_random=False),
    st.booleans(),
)
def test_batches_order_repeats_and_notation_change_nothing(
    event_type: EventType, size: int, rng: random.Random, offsets: bool
) -> None:
    records = HISTORIES[event_type]
    arrival = [(i * 5000 + rng.randrange(100_000), r) for i, r in enumerate(records)]
    again = [r for _, r in sorted(arrival)]
    again += rng.sample(again[-50:], 20)  # repeats within the horizon
    if offsets:  # the same instants in another notation: event by event instead of by column
        again = [r.replace(b'Z"', b'+00:00"') for r in again]
    assert fold_all(new_engine(event_type), again, size) == EXPECTED[event_type]


@pytest.mark.parametrize("event_type", sorted(HISTORIES))
def test_a_restart_in_between_changes_nothing(event_type: EventType) -> None:
    records = HISTORIES[event_type]
    total: PaneDeltas = {}
    engine = new_engine(event_type)
    generations: dict[int, tuple[bytes, bytes]] = {}
    sessions: dict[bytes, bytes] = {}
    for i in range(0, len(records), 37):
        engine.fold([*records[i : i + 37], *records[max(0, i - 5) : i]], NOW)
        settle(engine)
        changes = engine.take()
        merge_deltas(total, changes.deltas)
        for part in changes.ids:
            ids, contents = generations.get(part.generation, (b"", b""))
            generations[part.generation] = (
                ids + part.ids.tobytes(),
                contents + part.contents.tobytes(),
            )
        for number in changes.forgotten_generations:
            generations.pop(number)
        sessions.update(changes.sessions)
        for key in changes.forgotten_sessions:
            sessions.pop(key, None)
        engine = new_engine(event_type)
        engine.restore(
            clock_ms=changes.clock_ms,
            generations=[(n, *parts) for n, parts in sorted(generations.items())],
            sessions=sessions.items(),
        )
    engine.close_sessions()
    merge_deltas(total, take(engine))
    assert kept(total, engine.clock_ms) == EXPECTED[event_type]


def test_identifiers_and_free_text_are_not_in_what_is_stored() -> None:
    engine = new_engine(EventType.SESSION)
    records = HISTORIES[EventType.SESSION][:500]
    engine.fold(records, NOW)
    engine.segmentation.admit_locally(engine.unknown_segments())
    changes = engine.take()
    stored = b"".join((*changes.sessions, *changes.sessions.values()))
    for record in records:
        event = json.loads(record)
        assert event["session_id"].encode() not in stored
        assert event["event_id"].encode() not in stored


@pytest.mark.parametrize("sets", [(), (("channel",),), (("channel", "product"), ("product",))])
def test_any_segment_sets_and_a_plan_that_reads_nothing(sets: tuple[tuple[str, ...], ...]) -> None:
    config = EngineConfig(segment_sets=sets)
    segmentation = Segmentation(sets, 10)
    plan = MeasurePlan("survey_response", (), lambda _: (("answers", 1),))
    engine = PartitionEngine(EventType.SURVEY_RESPONSE, plan, config, segmentation)
    engine.fold([answer(event_id="a", dimensions={"channel": "x"}), answer(event_id="b")], NOW)
    second = {cell: found for cell, found in take(engine).items() if cell[0] == 1000}
    expected = {"all": {"answers": 2}}
    if ("channel",) in sets:
        expected["channel=x"] = {"answers": 1}
    assert list(second.values()) == [expected]
