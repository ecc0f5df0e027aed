"""Topics: which there are, and creating those that are missing; what exists is never changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import for_code

from processor.settings import AlertingSettings, KafkaSettings
from processor.streaming.deadletter import SUFFIX
from processor.streaming.refusal import explained
from schemas.events import EventType

_DEAD_LETTER_RETENTION_MS: Final = 7 * 86_400_000
_EVENT_RETENTION_MS: Final = 32 * 86_400_000
"""The longest window and some: state that is lost is rebuilt from the log."""

_ALERT_CONFIGS: Final = {
    # The latest change of each alert stays, so that a reader knows what fires. Every change can be
    # read for a week. Alerts of segments that are gone go after a quarter.
    "cleanup.policy": "compact,delete",
    "min.compaction.lag.ms": str(7 * 86_400_000),
    "retention.ms": str(90 * 86_400_000),
}

_TOPIC_ALREADY_EXISTS: Final = 36


@dataclass(frozen=True, slots=True)
class TopicPlan:
    """A topic as it should be created.

    Attributes:
        name: with its prefix.
        partitions: how many.
        replication: copies of each.
        configs: broker settings of the topic.
    """

    name: str
    partitions: int
    replication: int
    configs: Mapping[str, str]


def event_topics(kafka: KafkaSettings) -> dict[str, EventType]:
    """The batch topics: event type by topic name, of the types that are consumed."""
    return {kafka.topic_prefix + t.topic: t for t in EventType if t in kafka.types}


def topic_plans(kafka: KafkaSettings, alerting: AlertingSettings | None = None) -> list[TopicPlan]:
    """Every topic: events, their dead letters, and readings.

    Args:
        kafka: their names and partitions.
        alerting: names the topic of alerts; a replay has none.
    """
    retention = {"cleanup.policy": "delete", "retention.ms": str(_EVENT_RETENTION_MS)}
    letters = {"cleanup.policy": "delete", "retention.ms": str(_DEAD_LETTER_RETENTION_MS)}
    plans = [TopicPlan(kafka.readings_topic, 1, kafka.replication, {"cleanup.policy": "compact"})]
    for event_type in EventType:
        name = kafka.topic_prefix + event_type.topic
        plans.append(TopicPlan(name, kafka.partitions, kafka.replication, retention))
        plans.append(TopicPlan(name + SUFFIX, 1, kafka.replication, letters))
    if alerting is not None:
        plans.append(TopicPlan(alerting.topic, 1, kafka.replication, _ALERT_CONFIGS))
    return plans


async def create_missing(
    kafka: KafkaSettings,
    client_options: Mapping[str, Any],
    alerting: AlertingSettings | None = None,
) -> list[str]:
    """Create the topics that are missing; returns their names.

    Args:
        kafka: their names and partitions.
        client_options: how to connect.
        alerting: names the topic of alerts, if that is to be there.

    Raises:
        KafkaRefusedError: a broker does not let us in.
        aiokafka.errors.KafkaError: the broker is away, or refused one of them.
    """
    async with explained(kafka):
        admin = AIOKafkaAdminClient(**client_options)
        try:
            await admin.start()
            return await _create_missing(admin, topic_plans(kafka, alerting))
        finally:
            await admin.close()


async def _create_missing(admin: AIOKafkaAdminClient, plans: Sequence[TopicPlan]) -> list[str]:
    existing = set(await admin.list_topics())
    missing = [plan for plan in plans if plan.name not in existing]
    if not missing:
        return []
    response = await admin.create_topics(
        [
            NewTopic(
                plan.name,
                num_partitions=plan.partitions,
                replication_factor=plan.replication,
                topic_configs=dict(plan.configs),
            )
            for plan in missing
        ]
    )
    for topic, code, *detail in response.topic_errors:
        if code not in (0, _TOPIC_ALREADY_EXISTS):
            raise for_code(code)(f"{topic}: {detail[0] if detail else ''}")
    return [plan.name for plan in missing]
