"""The dispatcher of a worker: its receivers, and the topic of alerts beside them."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from processor.notifying.counters import NotifyingCounters
from processor.notifying.dispatcher import Dispatcher
from processor.notifying.outbox import Outbox
from processor.settings import Settings
from processor.state.keys import Keys
from processor.streaming.alert_topic import AlertTopic
from processor.streaming.kafka import durable_producer

_WAIT_MAX_S = 1.0


def dispatcher(
    settings: Settings,
    *,
    redis: Redis,
    keys: Keys,
    now_ms: Callable[[], int],
    registry: CollectorRegistry | None = None,
) -> Dispatcher:
    """Tells everybody of alerts who is configured to be told.

    Args:
        settings: the configuration.
        redis: a client with the configured time-out; its owner closes it.
        keys: key names of the deployment.
        now_ms: wall clock in milliseconds.
        registry: where it counts.
    """
    topic = AlertTopic(
        Outbox(redis, keys), settings.alerting.topic, lambda: durable_producer(settings.kafka)
    )
    return Dispatcher(
        settings.notify,
        redis=redis,
        keys=keys,
        now_ms=now_ms,
        external_url=settings.alerting.external_url,
        counters=NotifyingCounters((one.name for one in settings.notify), registry),
        wait_ms=int(min(_WAIT_MAX_S, settings.redis.timeout_s / 2) * 1000) or 1,
        others=[(topic.name, topic.run)],
    )
