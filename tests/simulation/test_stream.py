"""The stream as a whole: valid, in order, at its rate, in its mix, within bounded memory."""

from collections import Counter
from itertools import islice, pairwise
from typing import Any

import pytest

from processor.simulation import DEFAULT_MIX, Simulator, encode, simulate
from processor.simulation.clock import mean_rhythm, rhythm
from schemas.events import parse_event
from tests.simulation.streams import START_MS, Event, ms, seconds, stream, within

DAY_S = 86_400
MIDNIGHT_MS = START_MS - 9 * 3_600_000


def run(**changes: Any) -> list[Event]:
    arguments: dict[str, Any] = {
        "seed": 7, "rate": 200.0, "start_ms": START_MS, "duration_s": 60.0, **changes
    }  # fmt: skip
    return list(simulate(**arguments))


def test_every_event_is_valid() -> None:
    events = stream()
    assert len(events) > 25_000
    for event in events:
        parse_event(encode(event))
    assert {event["type"] for event in events} == set(DEFAULT_MIX)


def test_events_come_in_the_order_of_their_times_within_the_duration() -> None:
    times = [event["occurred_at"] for event in stream()]
    assert times == sorted(times)  # of one length and zone: as text is as time
    assert all(len(text) == 24 and text.endswith("Z") for text in times)
    assert 0 <= seconds(stream()[0]) < 1
    assert 119 < seconds(stream()[-1]) < 120


def test_no_event_id_comes_twice() -> None:
    assert len({event["event_id"] for event in stream()}) == len(stream())


@pytest.mark.parametrize("rate", [5.0, 200.0, pytest.param(3000.0, marks=pytest.mark.soak)])
def test_the_rate_is_the_one_asked_for(rate: float) -> None:
    # A Poisson count deviates by more than four roots of its mean once in 16,000 runs.
    expected = rate * 60
    assert abs(len(run(rate=rate)) - expected) < 4 * expected**0.5


@pytest.mark.parametrize("hour", [3, 9, 19])
def test_a_short_run_has_its_rate_at_any_hour(hour: int) -> None:
    found = len(run(start_ms=MIDNIGHT_MS + hour * 3_600_000))
    assert abs(found - 12_000) < 4 * 12_000**0.5


def test_arrivals_are_irregular_as_independent_ones_are() -> None:
    per_second = Counter(int(seconds(event)) for event in run(daily_rhythm=False))
    mean = sum(per_second.values()) / 60
    variance = sum((per_second[second] - mean) ** 2 for second in range(60)) / 59
    assert 0.6 < variance / mean < 1.6  # 1 for a Poisson process


def test_nights_are_quieter_than_days_and_the_day_has_the_mean() -> None:
    events = run(rate=0.5, start_ms=MIDNIGHT_MS, duration_s=DAY_S)
    assert abs(len(events) - DAY_S / 2) < 4 * (DAY_S / 2) ** 0.5
    hours = Counter(int(event["occurred_at"][11:13]) for event in events)
    assert sum(hours[hour] for hour in (1, 2, 3)) < 0.65 * sum(hours[hour] for hour in (10, 11, 12))


def test_the_rhythm_has_mean_1_and_no_steps() -> None:
    assert mean_rhythm(MIDNIGHT_MS, DAY_S) == pytest.approx(1, abs=1e-3)
    minutes = [rhythm(MIDNIGHT_MS + minute * 60_000) for minute in range(1441)]
    assert max(abs(after - before) for before, after in pairwise(minutes)) < 0.005
    assert minutes[0] == minutes[-1]


def test_types_have_their_default_shares_from_the_first_seconds_on() -> None:
    for start_s, end_s in ((0, 10), (110, 120)):
        found = within(stream(rate=1000), start_s, end_s)
        counts = Counter(event["type"] for event in found)
        for kind, share in DEFAULT_MIX.items():
            expected = share * len(found)
            assert abs(counts[kind] - expected) < 5 * expected**0.5, kind


@pytest.mark.parametrize("kind", DEFAULT_MIX)
def test_one_type_alone(kind: str) -> None:
    events = run(mix={kind: 1.0})
    assert {event["type"] for event in events} == {kind}
    assert abs(len(events) - 12_000) < 4 * 12_000**0.5


def test_weights_of_a_mix_need_not_add_up_to_one() -> None:
    counts = Counter(event["type"] for event in run(mix={"purchase": 3, "social": 1, "loyalty": 0}))
    assert set(counts) == {"purchase", "social"}
    assert counts["purchase"] / counts.total() == pytest.approx(0.75, abs=0.02)


def test_jitter_disturbs_the_order_and_nothing_else() -> None:
    usual, disturbed = run(), run(jitter_s=2.0)
    assert disturbed != usual
    assert sorted(map(encode, disturbed)) == sorted(map(encode, usual))
    latest, lateness = 0, []
    for event in disturbed:
        at = ms(event["occurred_at"])
        latest = max(latest, at)
        lateness.append(latest - at)
    assert 1000 < max(lateness) <= 2000
    assert disturbed == run(jitter_s=2.0)


@pytest.mark.soak
def test_memory_is_bounded_however_long_it_runs() -> None:
    # Four simulated days: thousands of sessions and tickets come and go, the programme fills.
    simulator = Simulator(seed=7, rate=1.0, start_ms=START_MS)
    held = [simulator.held for _ in islice(simulator, 345_600)]
    first_half, second_half = held[:172_800], held[172_800:]
    assert max(second_half) < max(first_half) * 1.5
    assert max(held) < 10_000


def test_what_is_held_is_capped_at_any_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("processor.simulation.sessions.MOST_OPEN", 200)
    monkeypatch.setattr("processor.simulation.support.MOST_OPEN", 100)
    busy = Simulator(
        seed=7,
        rate=5000,
        start_ms=START_MS,
        duration_s=20,
        mix={"session": 1, "support_ticket": 1},
    )
    held, events = 0, []
    for event in busy:
        events.append(event)
        held = max(held, busy.held)
    assert held <= 300
    assert abs(len(events) - 100_000) < 4 * 100_000**0.5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rate": 0}, "rate must be above 0"),
        ({"rate": float("inf")}, "rate must be above 0"),
        ({"duration_s": 0}, "duration must be above 0"),
        ({"jitter_s": -1}, "jitter must be 0 s or more"),
        ({"mix": {"survey": 1}}, "unknown event types in the mix: survey; there are session"),
        ({"mix": {"session": -1}}, "weights must be finite"),
        ({"mix": {}}, "at least one weight"),
    ],
)
def test_arguments_out_of_range_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run(**changes)
