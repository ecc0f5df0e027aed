"""Bytes that are no event.

::

    15  log      |--good--[bad]--good--[bad]--good--|
        worker   |--------------------------------- - -
        letters            bad        bad               one each, whole, with its reason

Expected: the good events count as if the others were not there.
"""

import time

import pytest

from schemas.errors import ErrorCode
from tests.faults.refusals import Refusal, refused, written
from tests.faults.scenario import Scenario
from tests.harness.events import TOPICS
from tests.harness.kafka import Record, read_all, send

UNREADABLE: dict[str, tuple[bytes | None, ErrorCode]] = {
    "tombstone": (None, ErrorCode.EMPTY_VALUE),
    "no bytes": (b"", ErrorCode.EMPTY_VALUE),
    "blank": (b" \n\t ", ErrorCode.INVALID_JSON),
    "cut off": (b'{"type":', ErrorCode.INVALID_JSON),
    "more behind it": (b'{"type":"session"} {}', ErrorCode.INVALID_JSON),
    "array": (b"[1]", ErrorCode.NOT_AN_OBJECT),
    "string": (b'"event"', ErrorCode.NOT_AN_OBJECT),
    "null": (b"null", ErrorCode.NOT_AN_OBJECT),
    "not a number": (b"NaN", ErrorCode.NOT_AN_OBJECT),
    "invalid UTF-8": (b'{"type":"\xff"}', ErrorCode.INVALID_JSON),
    "overlong UTF-8": (b'{"type":"\xc0\xaf"}', ErrorCode.INVALID_JSON),
    "a surrogate in UTF-8": (b'{"type":"\xed\xa0\x80"}', ErrorCode.INVALID_JSON),
    "UTF-16": ('{"type":"session"}'.encode("utf-16"), ErrorCode.INVALID_JSON),
    "null bytes": (bytes(100), ErrorCode.INVALID_JSON),
    "compressed": (b"\x1f\x8b\x08\x00\x00\x00\x00\x00", ErrorCode.INVALID_JSON),
}


def in_good_events(topic: str) -> list[Refusal]:
    """What only a text inside of an otherwise good event makes unreadable."""
    text = written(topic, "event_id", '"@@"')
    return [
        Refusal(topic, text.replace(b"@@", inside), ErrorCode.INVALID_JSON)
        for inside in (b"\\ud800", b"\\udc00\\ud800", b"\x00", b"\n", b"\\x41", b"\xff", b"\\")
    ]


@pytest.mark.timeout(120)
async def test_f15_what_cannot_be_read_is_a_dead_letter_and_what_follows_counts(
    scenario: Scenario,
) -> None:
    refusals = [
        Refusal(topic, value, code) for topic in TOPICS for value, code in UNREADABLE.values()
    ]
    for topic in TOPICS:
        refusals += in_good_events(topic)
    scenario.write_log(8_000)
    await refused(scenario, refusals)


@pytest.mark.timeout(60)
async def test_f15_a_null_character_in_a_text_is_a_character(scenario: Scenario) -> None:
    """As JSON has it, escaped: counted under a segment of that name, and not a word cut short."""
    await scenario.create_topics()
    topic = scenario.deployment.topic("survey-response")
    text = written("survey-response", "dimensions", '{"channel":"a\\u0000b"}')
    with scenario.worker() as worker:
        await worker.until_ready()
        await send(scenario.deployment, [Record(topic, b"k", text)])
        await scenario.until_counted(1)
        stored = await scenario.state.panes()
    (minute,) = [by for (pane_ms, _), by in stored.items() if pane_ms == 60_000]
    assert minute == {"all": {"nps.9": 1}, "channel=a%00b": {"nps.9": 1}}


@pytest.mark.timeout(60)
async def test_f15_a_record_older_than_dead_letters_are_kept_leaves_one_that_stays(
    scenario: Scenario,
) -> None:
    """Under the record's own time the topic's retention would delete it within minutes."""
    await scenario.create_topics()
    topic, now_ms = scenario.deployment.topic("purchase"), time.time_ns() // 1_000_000
    sent_ms = [now_ms - days * 86_400_000 for days in (0, 6, 8, 400)]
    records = [Record(topic, b"k", b"{", timestamp_ms=at_ms) for at_ms in sent_ms]
    with scenario.worker() as worker:
        await worker.until_ready()
        await send(scenario.deployment, records)
        await scenario.until_counted(len(records))
    letters = await read_all(scenario.deployment, f"{topic}.dlq")
    own_times = [dict(letter.headers).get("cx.error.timestamp") for letter in letters]
    assert own_times == [None, *(str(at_ms).encode() for at_ms in sent_ms[1:])]
    assert letters[0].timestamp == sent_ms[0]
    assert min(letter.timestamp for letter in letters) >= now_ms - 60_000
