"""A publisher whose ticks are told, over partitions whose counts are written by hand."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis.asyncio import Redis

from processor.alerting.rule import Rule
from processor.core.config import EngineConfig
from processor.metrics.catalogue import CATALOGUE
from processor.settings import KafkaSettings
from processor.state.keys import Keys
from processor.state.live import LiveReadings
from processor.state.partition import PartitionStore
from processor.streaming import publisher as module
from processor.streaming.alerts import Alerts
from processor.streaming.kafka import client_options, readings_producer
from processor.streaming.publisher import Publisher
from processor.streaming.said import keys_in
from processor.streaming.signals import Signals
from schemas.events import EventType
from tests.harness.kafka import read_all, until_committed
from tests.harness.waiting import PATIENCE
from tests.harness.worker import Deployment
from tests.state.flushing import T0, TIERS, changes

MINUTE_MS = 60_000
_KAFKA_TIMEOUT_S = module._KAFKA_TIMEOUT_S * PATIENCE


@asynccontextmanager
async def publishing(
    deployment: Deployment,
    redis: Redis,
    *,
    at_ms: int = T0 + 1_000,
    holder: str = "a",
    lease_ttl_s: float = 60.0,
    rules: Sequence[Rule] = (),
) -> AsyncIterator[Publisher]:
    """A publisher that ticks when told to, and is killed at the end: it releases nothing."""
    settings = KafkaSettings(bootstrap=deployment.bootstrap, group=deployment.topic_prefix + "g")
    keys = Keys(deployment.redis_prefix)
    topics = {deployment.topic("survey-response"): EventType.SURVEY_RESPONSE}
    publisher = Publisher(
        redis=redis,
        keys=keys,
        config=EngineConfig(),
        metrics=CATALOGUE,
        topics=topics,
        holder=holder,
        topic=deployment.readings_topic,
        new_producer=lambda: readings_producer(settings),
        keys_in_topic=lambda: keys_in(deployment.readings_topic, client_options(settings)),
        interval_s=1.0,
        lease_ttl_s=lease_ttl_s,
        low_sample_under=30,
        alerts=Alerts(
            rules,
            redis=redis,
            keys=keys,
            signals=Signals(LiveReadings(redis, keys), topics),
            min_samples=30,
            stale_after_ms=10 * MINUTE_MS,
        ),
        now_ms=lambda: at_ms,
    )
    try:
        # A worker begins afresh where Kafka takes longer; a tick that a test asks for fails.
        with pytest.MonkeyPatch.context() as patience:
            patience.setattr(module, "_KAFKA_TIMEOUT_S", _KAFKA_TIMEOUT_S)
            yield publisher
    finally:
        await publisher.stand_down()


async def readings_in_kafka(deployment: Deployment) -> dict[str, dict[str, Any]]:
    """What a reader of the compacted topic ends up with, when nothing more is published."""
    topic = deployment.readings_topic
    await until_committed(deployment, topic)
    records = await read_all(deployment, topic, isolation_level="read_committed")
    return {record.key.decode(): json.loads(record.value) for record in records}


async def owned(redis: Redis, deployment: Deployment, partition: int = 0) -> PartitionStore:
    """A partition's store, claimed."""
    store = PartitionStore(
        redis, Keys(deployment.redis_prefix), deployment.topic("survey-response"), partition, TIERS
    )
    await store.claim("w")
    return store


async def flush(store: PartitionStore, at_ms: int, series: str, **counts: int) -> None:
    """Counters of one second, in all of its panes."""
    deltas = {
        (tier.pane_ms, at_ms - at_ms % tier.pane_ms): {
            name: {measure.replace("_", "."): n for measure, n in counts.items()}
            for name in ("all", series)
        }
        for tier in TIERS
    }
    await store.flush(changes(deltas, clock_ms=at_ms), (store.offset or 0) + 1)
