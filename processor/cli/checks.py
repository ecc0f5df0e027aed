"""The checks of ``cxpulse doctor``: each gives a verdict, and none stops the others."""

import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiokafka.errors import KafkaError
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from processor.cli.errors import explain
from processor.cli.servers import ask_kafka
from processor.settings import (
    AlertingSettings,
    ConfigurationError,
    KafkaSettings,
    Settings,
    configuration_file,
    load_settings,
)
from processor.state.redis_url import async_client, redact
from processor.streaming.topics import topic_plans

_PATIENCE_S: Final = 5.0
"""A doctor that waits as long as a worker would seem to be ill itself."""

CLOCK_TOLERANCE_S: Final = 2.0
"""Far less than the future skew that is allowed; more than what a synchronized clock is off."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of one check.

    Attributes:
        subject: what was looked at.
        ok: whether it is as it should be.
        finding: what was found, and what to do where it is not well.
    """

    subject: str
    ok: bool
    finding: str


def check_configuration() -> tuple[Settings | None, Verdict]:
    """The settings, ``None`` where they cannot be used, and the verdict."""
    try:
        settings = load_settings()
        settings.catalogue(settings.own_metrics())
    except ConfigurationError as error:
        problems = "; ".join(str(error).splitlines())
        return None, Verdict("configuration", ok=False, finding=f"{problems}: correct it")
    file = configuration_file()
    source = f"{file} and CX_ variables" if file.is_file() else f"CX_ variables; there is no {file}"
    return settings, Verdict("configuration", ok=True, finding=source)


async def check_servers(settings: Settings) -> AsyncIterator[Verdict]:
    """Check Kafka and Redis; what depends on one that does not answer is not checked."""
    patience = min(_PATIENCE_S, settings.kafka.request_timeout_s)
    kafka = settings.kafka.model_copy(update={"request_timeout_s": patience})
    try:
        existing = await ask_kafka(kafka)
    except (KafkaError, OSError, TimeoutError) as error:
        yield _failed("kafka", error, f"Kafka at {kafka.bootstrap} does not answer")
    else:
        yield Verdict("kafka", ok=True, finding=f"{kafka.bootstrap} answers")
        yield judge_topics(kafka, existing, settings.alerting)
    redis = async_client(settings.redis.url.get_secret_value(), timeout_s=_PATIENCE_S, retries=0)
    try:
        async for verdict in _check_redis(redis, settings):
            yield verdict
    finally:
        await redis.aclose()


def judge_topics(
    kafka: KafkaSettings, existing: Mapping[str, int], alerting: AlertingSettings | None = None
) -> Verdict:
    """Whether every topic exists with the partitions it should have.

    Args:
        kafka: the settings that say what should be.
        existing: partition count by topic, as it is.
        alerting: names the topic of alerts, if that should be, too.
    """
    plans = topic_plans(kafka, alerting)
    missing = [plan.name for plan in plans if plan.name not in existing]
    differing = [
        f"{plan.name} has {existing[plan.name]} partitions, not {plan.partitions}"
        for plan in plans
        if existing.get(plan.name, plan.partitions) != plan.partitions
    ]
    remedies = []
    if missing:
        remedies.append(f"missing: {', '.join(missing)}: run cxpulse topics create")
    if differing:
        remedies.append(
            f"{', '.join(differing)}: set kafka.partitions to what there is, or make the topics "
            "anew (more partitions would move keys to others)"
        )
    finding = "; ".join(remedies) or f"{len(plans)} topics, {kafka.partitions} partitions each type"
    return Verdict("topics", ok=not remedies, finding=finding)


async def _check_redis(redis: Redis, settings: Settings) -> AsyncIterator[Verdict]:
    shown = redact(settings.redis.url.get_secret_value())
    try:
        asked_at = time.time()
        seconds, microseconds = await redis.time()
        answered_at = time.time()
        info = await redis.info()
    except (RedisError, OSError) as error:
        yield _failed("redis", error, f"Redis at {shown} does not answer")
        return
    yield Verdict("redis", ok=True, finding=f"{shown} answers, version {info['redis_version']}")
    yield judge_eviction(info)
    yield await _persistence(redis, info)
    yield judge_clock(seconds + microseconds / 1e6, asked_at, answered_at)


def judge_eviction(info: Mapping[str, Any]) -> Verdict:
    """Whether Redis would drop counters when it is full.

    Args:
        info: the reply of ``INFO``.
    """
    policy = info.get("maxmemory_policy", "unknown")
    ok = policy == "noeviction"
    remedy = "" if ok else ": set maxmemory-policy to noeviction, or counters may be dropped"
    return Verdict("redis memory", ok=ok, finding=f"maxmemory-policy is {policy}{remedy}")


async def _persistence(redis: Redis, info: Mapping[str, Any]) -> Verdict:
    try:
        saves = (await redis.config_get("save")).get("save", "")
    except ResponseError:  # hosted services do not tell
        saves = ""
    return judge_persistence(appends=bool(info.get("aof_enabled")), saves=bool(saves))


def judge_persistence(*, appends: bool, saves: bool) -> Verdict:
    """Whether counters outlive a restart of Redis.

    Args:
        appends: the append-only file is on.
        saves: snapshots are taken.
    """
    if appends:
        return Verdict("redis disk", ok=True, finding="appendonly is on")
    found = "only snapshots are saved" if saves else "nothing is saved"
    return Verdict(
        "redis disk",
        ok=False,
        finding=f"{found}: set appendonly to yes, or a restart of Redis loses counters",
    )


def judge_clock(redis_s: float, asked_at_s: float, answered_at_s: float) -> Verdict:
    """Whether this machine's clock and that of Redis agree.

    Args:
        redis_s: what ``TIME`` said, seconds since the epoch.
        asked_at_s: our clock before asking.
        answered_at_s: our clock after the answer.
    """
    # It was read somewhere between: the distance to that span is the difference for certain.
    off_s = max(0.0, asked_at_s - redis_s, redis_s - answered_at_s)
    ok = off_s <= CLOCK_TOLERANCE_S
    remedy = "" if ok else ": synchronize both with NTP, or events are refused as from the future"
    return Verdict("clocks", ok=ok, finding=f"{off_s:.1f} s apart from Redis{remedy}")


def _failed(subject: str, error: BaseException, otherwise: str) -> Verdict:
    return Verdict(subject, ok=False, finding=str(explain(error) or otherwise))
