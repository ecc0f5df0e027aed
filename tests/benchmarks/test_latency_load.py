"""The load: what is sent when is fixed beforehand, and a stall does not move it."""

import asyncio
import itertools
import json
from collections import Counter

import pytest

from benchmarks.load import PROBES_PER_S, SLOT_S, Plan, answers, send
from benchmarks.watching import probe_of
from processor.core.config import EngineConfig
from processor.core.engine import PartitionEngine
from processor.core.segments import Segmentation
from processor.metrics.measures import count_session, plan_of
from schemas.events import EventType
from tests.harness.kafka import create_topics, read_all
from tests.harness.worker import Deployment

BASE_MS = 1_790_000_000_000


def test_times_are_even_and_slots_follow_them() -> None:
    plan = Plan(1_000, 2.0, partitions=4)
    assert plan.count == 2_000
    times = [plan.intended_s(number) for number in range(plan.count)]
    assert times[0] == 0
    assert {round(b - a, 9) for a, b in itertools.pairwise(times)} == {0.001}
    ends = [(plan.slot_of(number) + 1) * SLOT_S for number in range(plan.count)]
    assert all(-1e-9 < end - at <= SLOT_S + 1e-9 for at, end in zip(times, ends, strict=True))


@pytest.mark.parametrize(("rate", "seconds"), [(100.0, 3.0), (4_000.0, 2.0), (37_001.0, 1.0)])
def test_each_partition_has_its_probes(rate: float, seconds: float) -> None:
    plan = Plan(rate, seconds)
    expected = min(rate / plan.partitions, PROBES_PER_S) * seconds
    for count in plan.probes().values():
        assert count == pytest.approx(expected, rel=0.05, abs=1)


@pytest.mark.parametrize(("rate", "seconds", "partitions"), [(0, 1, 4), (1, 0, 4), (1, 1, 0)])
def test_a_plan_without_events_is_refused(rate: float, seconds: float, partitions: int) -> None:
    with pytest.raises(ValueError, match="a plan needs"):
        Plan(rate, seconds, partitions)


def test_every_event_counts_once_and_probes_have_channels_of_their_own() -> None:
    plan = Plan(4_000, 1.0)
    records = list(answers(plan, BASE_MS))
    config = EngineConfig()
    engine = PartitionEngine(
        EventType.SURVEY_RESPONSE,
        plan_of(EventType.SURVEY_RESPONSE, config.survey_responses),
        config,
        Segmentation(config.segment_sets, config.segment_cap),
        count_session=count_session,
    )
    assert engine.fold([record for _, record in records], BASE_MS + 1_000) == []
    assert engine.pending_events == plan.count
    channels = Counter(json.loads(record)["dimensions"]["channel"] for _, record in records)
    for partition, count in plan.probes().items():
        assert channels[f"probe-{partition}"] == count
    ids = {json.loads(record)["event_id"] for _, record in records}
    again = {json.loads(record)["event_id"] for _, record in answers(plan, BASE_MS)}
    assert len(ids | again) == 2 * plan.count


def test_only_readings_of_one_probe_channel_are_looked_at() -> None:
    reading = {"metric": "nps", "window": "24h", "segment": {"channel": "probe-3"}, "n": 17}
    assert probe_of(reading) == (3, 17)
    others: list[dict[str, object]] = [
        {"metric": "csat"},
        {"window": "1h"},
        {"segment": {}},
        {"segment": {"channel": "email"}},
        {"segment": {"channel": "probe-3", "product": "pro"}},
    ]
    for other in others:
        assert probe_of({**reading, **other}) is None


@pytest.mark.timeout(60)
async def test_events_are_sent_at_their_times_and_none_is_lost(
    kafka_bootstrap: str, topic_prefix: str
) -> None:
    deployment = Deployment(kafka_bootstrap, "", topic_prefix, "")
    await create_topics(deployment)
    topic = deployment.topic("survey-response")
    plan = Plan(2_000, 0.5)
    sent = await send(plan, kafka_bootstrap, topic)
    stored = await read_all(deployment, topic)
    assert len(stored) == sent["events"] == plan.count

    probes = sent["probes"]
    assert len(probes) == sum(plan.probes().values())
    by_place = {(r.partition, r.offset): json.loads(r.value) for r in stored}
    for probe in probes:
        event = by_place[probe["partition"], probe["offset"]]
        assert event["dimensions"]["channel"] == f"probe-{probe['partition']}"
        # Its slot was handed over at its end or later, however busy the machine: never before.
        # A timer is as fine as a millisecond.
        assert probe["late_ns"] > -2_000_000
        assert probe["acknowledged_ns"] > probe["intended_ns"]
    numbers = [
        int(by_place[p["partition"], p["offset"]]["event_id"].split("-")[1], 16) for p in probes
    ]
    first = probes[0]["intended_ns"]
    assert [p["intended_ns"] - first for p in probes] == pytest.approx(
        [plan.intended_s(number) * 1e9 for number in numbers], abs=1
    )


@pytest.mark.timeout(60)
async def test_a_late_start_of_sending_moves_no_intended_time(
    kafka_bootstrap: str, topic_prefix: str
) -> None:
    deployment = Deployment(kafka_bootstrap, "", topic_prefix, "")
    await create_topics(deployment)
    sending = asyncio.create_task(
        send(Plan(1_000, 0.3), kafka_bootstrap, deployment.topic("survey-response"))
    )
    blocked_s = 0.0
    loop = asyncio.get_running_loop()
    while not sending.done():  # the loop stalls again and again, as a paused machine does
        await asyncio.sleep(0.01)
        began = loop.time()
        while loop.time() - began < 0.03:
            pass
        blocked_s += 0.03
    probes = (await sending)["probes"]
    assert blocked_s > 0
    spans = [b["intended_ns"] - a["intended_ns"] for a, b in itertools.pairwise(probes)]
    assert max(spans) <= 0.3e9 / 4, "a stall has moved what was meant to be sent"
    assert probes[-1]["intended_ns"] - probes[0]["intended_ns"] < 0.3e9
