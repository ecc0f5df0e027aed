"""Free text and markup: what people write goes nowhere, what dimensions are called stays text.

::

    24  log      |--[comment: <script>…]--[channel: <b>…]--|
        Redis    |    no comment anywhere    channel=%3Cb%3E…
        readings |    no comment anywhere    {"channel": "<b>…"}: a string in JSON, no markup
        logs     |    neither

That the page shows such a name as text is tested in a browser: tests/browser/test_page.py,
`test_a_value_is_only_ever_text`.
"""

import json
from collections.abc import AsyncIterator
from typing import Any, Final

import pytest

from tests.faults.refusals import event, until_stored
from tests.faults.scenario import Scenario
from tests.faults.stored import held_under
from tests.harness.kafka import Record, read_all, send
from tests.harness.waiting import eventually

COMMENT: Final = "<script>alert('d41d8cd9')</script> call me: +49 170 5550100"
MARKUP: Final = '<b onclick="x(1)">&"\'</b>'
QUOTED: Final = "%3Cb%20onclick%3D%22x%281%29%22%3E%26%22%27%3C%2Fb%3E"
SECRETS: Final = ("d41d8cd9", "5550100", "customer-4711", "session-4711", "order-4711")


async def stored_texts(scenario: Scenario) -> AsyncIterator[bytes]:
    """Every key of Redis, and every value in it, whatever it is."""
    redis = scenario.state.redis
    async for key in redis.scan_iter(f"{scenario.deployment.redis_prefix}:*"):
        yield key
        held = await held_under(redis, key)
        for text in texts(held):
            yield text


def texts(held: Any) -> list[bytes]:
    """All byte strings in a reply."""
    match held:
        case bytes():
            return [held]
        case dict():
            return [t for item in held.items() for part in item for t in texts(part)]
        case list() | set() | tuple():
            return [t for part in held for t in texts(part)]
        case _:
            return []


def events() -> dict[str, list[dict[str, Any]]]:
    """Events of each type that say more than is counted; one is refused for its score."""
    people: dict[str, Any] = {"customer_id": "customer-4711", "comment": COMMENT}
    said = {**people, "dimensions": {"channel": MARKUP, "note": COMMENT}}
    return {
        "survey-response": [
            event("survey-response", event_id="e1", **said),
            event("survey-response", event_id="e2", **{**said, "score": 11}),
            event("survey-response", event_id="e3", **people, text=COMMENT),
        ],
        "purchase": [event("purchase", event_id="e4", **said, order_id="order-4711")],
        "session": [
            event("session", event_id="e5", **said, session_id="session-4711", page=COMMENT),
            event("session", event_id="e6", session_id="session-4711", action="end"),
        ],
    }


@pytest.mark.timeout(60)
async def test_f24_what_people_write_is_stored_nowhere_and_markup_is_only_text(
    scenario: Scenario,
) -> None:
    await scenario.create_topics()
    records = [
        Record(scenario.deployment.topic(topic), b"k", json.dumps(each).encode())
        for topic, all_of_it in events().items()
        for each in all_of_it
    ]
    key = f"nps|1h|channel={QUOTED}"
    with scenario.worker() as worker:
        await worker.until_ready()
        await send(scenario.deployment, records)
        await until_stored(scenario)
        readings = await eventually(scenario.state.readings, lambda r: key in r, what="readings")
        revision = await scenario.state.revision()
        await eventually(scenario.state.revision, lambda now: now > revision, what="in Kafka, too")
        assert readings[key]["segment"] == {"channel": MARKUP}
        stored = [text async for text in stored_texts(scenario)]
        published = await read_all(scenario.deployment, scenario.deployment.readings_topic)
        logged = worker.log_file.read_bytes()
    assert len(stored) > 100
    said = [*stored, logged, *(t for r in published for t in (r.key, r.value))]
    for secret in SECRETS:
        assert [text for text in said if secret.encode() in text] == []
    assert any(QUOTED.encode() in text for text in stored)
    assert [text for text in stored if b"<b " in text and b'"<b ' not in text] == []
    assert MARKUP.encode() not in logged
    assert {json.loads(r.value)["segment"].get("channel") for r in published} == {None, MARKUP}
