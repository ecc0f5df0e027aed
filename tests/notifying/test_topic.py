"""The topic of alerts: every change, in order, whoever leads."""

from collections.abc import Sequence

import pytest
from aiokafka import AIOKafkaProducer

from processor.notifying.outbox import Outbox
from processor.settings import AlertingSettings, KafkaSettings
from processor.streaming.alert_topic import AlertTopic
from processor.streaming.kafka import client_options, durable_producer
from processor.streaming.topics import create_missing, topic_plans
from schemas.alerts import Alert
from tests.harness.kafka import read_all
from tests.harness.waiting import eventually
from tests.harness.worker import Deployment
from tests.notifying.outboxes import Outboxes, alert

pytestmark = pytest.mark.timeout(90)


async def test_every_change_goes_to_the_topic(
    outbox: Outboxes, kafka_bootstrap: str, redis_url: str, topic_prefix: str, redis_prefix: str
) -> None:
    deployment = Deployment(kafka_bootstrap, redis_url, topic_prefix, redis_prefix)
    kafka = KafkaSettings(
        bootstrap=kafka_bootstrap,
        topic_prefix=topic_prefix,
        readings_topic=f"{topic_prefix}metrics",
        partitions=1,
    )
    alerting = AlertingSettings(topic=f"{topic_prefix}alerts")
    await create_missing(kafka, client_options(kafka), alerting)

    def new_producer() -> AIOKafkaProducer:
        return durable_producer(kafka)

    kept = Outbox(outbox.redis, outbox.keys)
    topic = AlertTopic(kept, alerting.topic, new_producer)

    async def told() -> Sequence[tuple[str, str]]:
        found = [
            (record.key.decode(), Alert.model_validate_json(record.value))
            for record in await read_all(deployment, alerting.topic)
        ]
        assert all(key == one.fingerprint for key, one in found)
        return [(one.segment["channel"], one.state) for _, one in found]

    states = ("pending", "firing", "resolved", "pending", "inactive")
    await outbox.change(*(alert(state) for state in states))
    expected = [("web", state) for state in states]
    async with outbox.dispatching(others=[(topic.name, topic.run)]):
        await eventually(told, expected.__eq__, what="all changes")
        # They are in the topic before who sent them has noted it.
        end = await kept.last_id()
        await eventually(lambda: kept.cursor(topic.name), lambda at: at == end, what="noted")
    # The next leader goes on behind them.
    async with outbox.dispatching(others=[(topic.name, topic.run)]):
        await outbox.change(alert("pending", "app"))
        expected.append(("app", "pending"))
        await eventually(told, expected.__eq__, what="one more")


def test_the_topic_is_planned_for_those_who_have_alerts() -> None:
    (plan,) = (p for p in topic_plans(KafkaSettings(), AlertingSettings()) if p.name == "cx.alerts")
    assert plan.configs["cleanup.policy"] == "compact,delete"
    assert "cx.alerts" not in {plan.name for plan in topic_plans(KafkaSettings())}
