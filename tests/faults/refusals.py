"""Records that must be refused, mixed into a log of good ones, and what has to come of both."""

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from schemas.errors import ErrorCode
from tests.faults.scenario import Part, Scenario
from tests.harness.equality import check
from tests.harness.events import TOPICS
from tests.harness.kafka import Record, end_offsets, read_all, send
from tests.harness.waiting import eventually

HEADERS: Final = (("traceparent", b"00-1-2-03"), ("bytes", b"\x00\xff"), ("empty", b""))

_SENT_MS: Final = time.time_ns() // 1_000_000 - 3_600_000
"""The timestamp of the first refusal's record."""

_RULES: Final[Mapping[str, Mapping[str, Any]]] = {
    "survey-response": {"type": "survey_response", "survey": "nps", "score": 9},
    "purchase": {
        "type": "purchase",
        "customer_id": "c",
        "order_id": "o",
        "amount": 19.99,
        "currency": "EUR",
    },
    "session": {"type": "session", "session_id": "bad", "action": "page_view"},
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """A record that must not be counted, and what its dead letter must say.

    Attributes:
        topic: by the contract's name.
        value: of the record.
        code: of the refusal.
        field: the field at fault, "" where there is none.
    """

    topic: str
    value: bytes | None
    code: ErrorCode
    field: str = ""


def event(topic: str, **fields: Any) -> dict[str, Any]:
    """A good event of a minute ago, with some fields otherwise; ``None`` leaves one out."""
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 60))
    made = {"event_id": "bad", "occurred_at": when, **_RULES[topic], **fields}
    return {name: value for name, value in made.items() if value is not None}


def written(topic: str, field: str, json_text: str, **fields: Any) -> bytes:
    """A good event with one field written literally: as ``1e400``, which no library writes."""
    whole = json.dumps(event(topic, **fields) | {field: "@"})
    return whole.replace(f'"{field}": "@"', f'"{field}": {json_text}').encode()


async def refused(scenario: Scenario, refusals: Sequence[Refusal]) -> None:
    """Send the scenario's log with the refusals in it, and compare what a worker makes of both.

    The good events count as if the others were not there. Each of the others is a dead letter:
    key, value, headers and time as they were, and why and where from.

    Raises:
        AssertionError: one of them was not treated so.
    """
    await scenario.create_topics()
    # Before the worker: it would follow the clock while it waits, and take the log for a late one.
    await send(scenario.deployment, _mixed(scenario, refusals))
    with scenario.worker() as worker:
        await worker.until_ready()
        ends = await until_stored(scenario)
        assert sum(ends.values()) == len(scenario.log) + len(refusals)
        await check_counts(scenario, refusals)
        assert worker.running
    await check_letters(scenario, refusals)


async def check_counts(scenario: Scenario, refusals: Sequence[Refusal]) -> None:
    """The good events alone are counted, and the others are counted as refused."""
    expected = scenario.expected()
    await check(scenario.deployment, scenario.state, expected)
    stats = {name: await scenario.state.stat(name) for name in ("counted", "repeats", "rejected")}
    assert stats == {
        "counted": len(scenario.log) - expected.refused - expected.repeats,
        "repeats": expected.repeats,
        "rejected": expected.refused + len(refusals),
    }


async def until_stored(scenario: Scenario) -> dict[Part, int]:
    """Return the logs' ends when a worker has stored them."""
    ends = await end_offsets(scenario.deployment, map(scenario.deployment.topic, TOPICS))
    return await eventually(
        lambda: scenario.state.offsets(ends),
        lambda stored: stored == ends,
        within_s=60,
        what=f"offsets {ends} stored",
    )


def key_of(number: int) -> bytes:
    """The key of a refusal's record."""
    return b"refused-%d" % number


def record_of(scenario: Scenario, number: int, refusal: Refusal) -> Record:
    """A refusal as it is sent."""
    return Record(
        scenario.deployment.topic(refusal.topic),
        key_of(number),
        refusal.value,
        timestamp_ms=_SENT_MS + number,
        headers=HEADERS,
    )


def _mixed(scenario: Scenario, refusals: Sequence[Refusal]) -> Iterator[Record]:
    due: dict[int, list[Record]] = {}
    for number, refusal in enumerate(refusals):
        # Never the last: events have to come behind it.
        position = scenario.random.randrange(len(scenario.log) * 9 // 10)
        due.setdefault(position, []).append(record_of(scenario, number, refusal))
    for position, good in enumerate(scenario.records(scenario.log)):
        yield from due.get(position, ())
        yield good


async def check_letters(scenario: Scenario, refusals: Sequence[Refusal]) -> None:
    """Each refusal is in its topic's dead letters once, as it was, with reasons."""
    wanted: Counter[tuple[Any, ...]] = Counter()
    found: Counter[tuple[Any, ...]] = Counter()
    for topic in {refusal.topic for refusal in refusals}:
        name = scenario.deployment.topic(topic)
        numbers = {key_of(n): r for n, r in enumerate(refusals) if r.topic == topic}
        for source in await read_all(scenario.deployment, name):
            if source.key in numbers:
                refusal = numbers[source.key]
                reasons = _reasons(refusal, name, source.partition, source.offset)
                wanted[_as_sent(source), reasons] += 1
        for letter in await read_all(scenario.deployment, f"{name}.dlq"):
            if letter.key in numbers:
                said = dict(letter.headers[len(HEADERS) :])
                message = said.pop("cx.error.message").decode()
                assert message, letter
                assert not message.isspace(), letter
                found[_as_sent(letter), tuple(sorted(said.items()))] += 1
    assert wanted.total() == len(refusals)
    missing, unasked = list((wanted - found).elements()), list((found - wanted).elements())
    assert (missing, unasked) == ([], []), f"missing: {missing}; not asked for: {unasked}"


def _as_sent(record: Any) -> tuple[Any, ...]:
    return record.key, record.value, record.timestamp, tuple(record.headers[: len(HEADERS)])


def _reasons(refusal: Refusal, topic: str, partition: int, offset: int) -> tuple[Any, ...]:
    said = {
        "cx.error.code": refusal.code.value,
        "cx.error.field": refusal.field,
        "cx.error.topic": topic,
        "cx.error.partition": str(partition),
        "cx.error.offset": str(offset),
    }
    return tuple(sorted((name, text.encode()) for name, text in said.items()))
