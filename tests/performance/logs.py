"""The events that are counted to find out what counting takes: always the same ones."""

from functools import cache
from itertools import islice
from typing import Final

from processor.simulation import encode, simulate
from schemas.events import EventType
from schemas.timestamps import format_rfc3339, parse_rfc3339

START_MS: Final = parse_rfc3339("2026-03-01T10:00:00Z")
NOW_MS: Final = START_MS + 3_600_000
"""The clock, as far as the worker is told: no event is ahead of it."""

_CHANNELS: Final = ("email", "web", "app", "sms", "phone")


@cache
def simulated(event_type: EventType, count: int) -> list[bytes]:
    """Events of one type as they come, 1,000 a second."""
    events = simulate(
        seed=7,
        rate=1_000.0,
        start_ms=START_MS,
        duration_s=None,
        daily_rhythm=False,
        mix={event_type.value: 1.0},
    )
    return list(map(encode, islice(events, count)))


def answers(count: int) -> list[bytes]:
    """NPS answers, 1,000 a second, each with an id of its own."""
    return [
        (
            f"{_head(EventType.SURVEY_RESPONSE, number)},"
            f'"customer_id":"c{number}","survey":"nps","score":{number % 11},'
            f'"dimensions":{{"channel":"{_CHANNELS[number % 5]}","product":"basic"}}}}'
        ).encode()
        for number in range(count)
    ]


def visits(count: int) -> list[bytes]:
    """Page views, each of another session, 1,000 a second."""
    return [
        (
            f"{_head(EventType.SESSION, number)},"
            f'"session_id":"s-{number:032x}","action":"page_view",'
            f'"dimensions":{{"channel":"{_CHANNELS[number % 5]}","product":"basic"}}}}'
        ).encode()
        for number in range(count)
    ]


def orders(count: int) -> list[bytes]:
    """Orders, each of another customer, 1,000 a second."""
    return [
        (
            f"{_head(EventType.PURCHASE, number)},"
            f'"customer_id":"c-{number:032x}","order_id":"o{number}","amount":12.5,'
            f'"currency":"EUR","dimensions":{{"channel":"{_CHANNELS[number % 5]}"}}}}'
        ).encode()
        for number in range(count)
    ]


def _head(event_type: EventType, number: int) -> str:
    """How an event begins: 1,000 a second, each with an id of its own."""
    when = format_rfc3339(START_MS + number)
    return f'{{"type":"{event_type}","event_id":"e-{number:032x}","occurred_at":"{when}"'
