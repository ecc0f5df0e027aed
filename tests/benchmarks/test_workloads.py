"""The logs of the benchmarks are what they say: valid, in order or late, skewed or not."""

import json
from collections import Counter
from itertools import pairwise

import pytest

from benchmarks.workloads import VISITS, WORKLOADS, session_events, survey_events
from schemas.events import EventType
from schemas.timestamps import parse_rfc3339
from schemas.validators import fast_validator

EVENTS = 2_000


@pytest.mark.parametrize("name", WORKLOADS)
def test_every_event_is_valid_and_none_is_repeated(name: str) -> None:
    log = list(WORKLOADS[name].events(EVENTS))
    ids = set()
    for topic, partition, record in log:
        event_type = EventType(json.loads(record)["type"])
        assert topic == event_type.topic
        assert 0 <= partition < 4
        ids.add(fast_validator(event_type)(record)["event_id"])
    assert len(ids) == len(log) >= EVENTS


@pytest.mark.parametrize("name", WORKLOADS)
def test_only_shuffled_logs_are_out_of_order_and_by_less_than_the_lateness(name: str) -> None:
    latest, most_late_ms, late = 0, 0, 0
    for _, _, record in WORKLOADS[name].events(EVENTS):
        at_ms = parse_rfc3339(json.loads(record)["occurred_at"])
        late += at_ms < latest
        most_late_ms = max(most_late_ms, latest - at_ms)
        latest = max(latest, at_ms)
    if "shuffled" in name:
        assert late > EVENTS / 2
        assert most_late_ms < 120_000
    else:
        # The simulator's clock may stutter by what its sources wait for.
        assert most_late_ms <= 2_000 * name.startswith("mixed")


def test_a_log_is_the_same_again_but_for_its_times() -> None:
    first, again = (list(survey_events(500, first_ms=10**12)) for _ in range(2))
    assert first == again
    assert first != list(survey_events(500, seed=2, first_ms=10**12))


def test_each_so_many_answers_have_every_channel_once_and_not_always_in_one_partition() -> None:
    log = list(survey_events(400, channels=100, first_ms=10**12))
    of_channel: dict[str, set[int]] = {}
    for begin in range(0, 400, 100):
        block = log[begin : begin + 100]
        channels = [json.loads(record)["dimensions"]["channel"] for _, _, record in block]
        assert len(set(channels)) == 100
        for channel, (_, partition, _) in zip(channels, block, strict=True):
            of_channel.setdefault(channel, set()).add(partition)
    assert all(len(partitions) == 4 for partitions in of_channel.values())


def test_skewed_answers_are_mostly_of_few_and_a_customers_are_in_one_partition() -> None:
    partitions: dict[str, set[int]] = {}
    channels: Counter[str] = Counter()
    for _, partition, record in WORKLOADS["skewed"].events(EVENTS):
        event = json.loads(record)
        partitions.setdefault(event["customer_id"], set()).add(partition)
        channels[event["dimensions"]["channel"]] += 1
    assert {len(found) for found in partitions.values()} == {1}
    assert sum(count for _, count in channels.most_common(10)) > EVENTS / 3


@pytest.mark.parametrize("ends", [True, False])
def test_sessions_do_what_visits_say_each_in_its_order_and_in_one_partition(ends: bool) -> None:
    actions: dict[str, list[str]] = {}
    partitions: dict[str, set[int]] = {}
    for _, partition, record in session_events(EVENTS, ends=ends):
        event = json.loads(record)
        actions.setdefault(event["session_id"], []).append(event["action"])
        partitions.setdefault(event["session_id"], set()).add(partition)
    visits = {tuple(visit.split()) for visit in VISITS}
    if not ends:
        visits = {tuple(a for a in visit if a != "end") for visit in visits}
    assert len(actions) == EVENTS
    assert set(map(tuple, actions.values())) <= visits
    assert {len(found) for found in partitions.values()} == {1}


def test_sessions_that_stay_open_begin_within_less_than_the_time_out() -> None:
    times = [
        parse_rfc3339(json.loads(record)["occurred_at"])
        for _, _, record in session_events(EVENTS, ends=False)
    ]
    assert all(one <= other for one, other in pairwise(times))
    assert times[-1] - times[0] < 30 * 60_000
