"""An alert from the events to its receivers, and the publisher killed while it fires.

::

    answers    |--detractors--|            |--promoters--|
    worker     |-----------------X  |--------------------------
    alert                  firing  (still firing)     resolved
    webhook               1                            2          each once
    Alertmanager          on..........................off
"""

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest

from tests.faults.conftest import NewScenario
from tests.harness.kafka import Record, read_all, send
from tests.harness.running import say
from tests.harness.waiting import eventually
from tests.notifying.alertmanager import Alertmanager, find
from tests.notifying.receiving import SECRET, Receiving
from tests.notifying.strict_alertmanager import StrictAlertmanager
from tests.streaming.owning import answer

RULE: Final = {
    "name": "NPS low by channel",
    "metric": "nps",
    "window": "1h",
    "by": ["channel"],
    "below": 0,
    "min_samples": 20,
    "severity": "critical",
    "annotations": {"summary": "NPS of {channel} is {value}"},
}


@pytest.fixture
async def alertmanager(tmp_path: Path) -> AsyncIterator[Alertmanager | StrictAlertmanager]:
    """The real one where there is one."""
    binary = find()
    async with Receiving(signed=False) as hook:
        server = Alertmanager(binary, tmp_path, hook.url) if binary else StrictAlertmanager()
        say(f"alerts are posted to {binary or 'a receiver of the tests own'}")
        try:
            await server.start()
            yield server
        finally:
            await server.stop()


@pytest.mark.timeout(180)
async def test_an_alert_outlives_the_publisher_and_is_told_once(
    new_scenario: NewScenario, alertmanager: Alertmanager | StrictAlertmanager
) -> None:
    async with Receiving() as hook:
        here = {"allow_private": True}
        receivers = [
            {"type": "webhook", "name": "hook", "url": hook.url, "secret": SECRET, **here},
            {"type": "alertmanager", "name": "am", "url": alertmanager.url, **here},
        ]
        scenario = new_scenario(
            settings={"ALERTS": json.dumps([RULE]), "NOTIFY": json.dumps(receivers)}
        )
        deployment = scenario.deployment
        topic = deployment.topic("survey-response")

        async def answered(numbers: range, score: int) -> None:
            answers = [answer(n, channel="web").replace(b":9,", b":%d," % score) for n in numbers]
            await send(deployment, [Record(topic, b"%d" % n, a) for n, a in enumerate(answers)])

        async def on() -> list[str]:
            return sorted(await alertmanager.alerts())

        async def told() -> list[tuple[str, str]]:
            found = await read_all(deployment, deployment.alerts_topic)
            alerts = [json.loads(record.value) for record in found]
            return list(dict.fromkeys((one["state"], one["fingerprint"]) for one in alerts))

        await scenario.create_topics()
        with scenario.worker() as worker:
            await worker.until_ready()
            began = time.monotonic()
            await answered(range(25), 3)
            await hook.until(lambda: ("web", "firing") in hook.distinct, "told that it fires")
            say(f"{time.monotonic() - began:.2f} s from the first answer to the webhook")
            await eventually(on, ["web"].__eq__, what="on at Alertmanager")
            worker.kill()
            worker.start()
            revision = await scenario.state.revision()
            await eventually(
                scenario.state.revision, lambda now: now > revision + 3, what="it publishes again"
            )
            await answered(range(25, 125), 9)
            await hook.until(lambda: ("web", "resolved") in hook.distinct, "told that it is over")
            await eventually(on, [].__eq__, what="off at Alertmanager")
            # Each is told at its own pace, the topic as well.
            fingerprint = hook.messages[0].alerts[0].fingerprint
            await eventually(
                told,
                [("firing", fingerprint), ("resolved", fingerprint)].__eq__,
                what="both in the topic",
            )
        assert hook.distinct == [("web", "firing"), ("web", "resolved")]
        assert hook.messages[0].alerts[0].annotations == {"summary": "NPS of web is -100"}
