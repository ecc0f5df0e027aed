"""The logs that subjects read, by name: what comes in, in which order, and with which keys.

Survey answers and sessions are made in columns, a million in seconds; the mixed log is the
simulator's. The same name and number of events give the same log but for its times: it ends now.
"""

import random
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import islice
from typing import Final

import numpy as np

from processor.simulation import DEFAULT_MIX, encode, simulate
from schemas.events import EventType, kafka_key
from schemas.timestamps import format_rfc3339, parse_rfc3339

PARTITIONS: Final = 4
CHANNELS: Final = ("email", "web", "app", "sms", "phone")
PRODUCTS: Final = ("basic", "plus", "pro", "team")
EVENTS_PER_SECOND_OF_EVENT_TIME: Final = 1_000
FULL_LOAD_PER_SECOND: Final = 100_000
"""Of event time, in logs that are read as if they happened now, by a busy worker."""

_CUSTOMERS: Final = 100_000
_ZIPF: Final = 1.1
"""The exponent of skewed keys: of 100,000 customers one sends a seventh of all events."""

_SHUFFLED_MS: Final = 110_000
"""How late events of a shuffled log come at most, in event time: within the default lateness."""

_CHUNK: Final = 50_000
_OPEN_FOR_S: Final = 1_500
"""Sessions that nobody ends begin within so long: when the log ends, all of them are open."""

_PAGES: Final = (b"/", b"/offers", b"/products", b"/pricing", b"/help", b"/blog")
_READING_MS: Final = 7_000

VISITS: Final[Mapping[str, float]] = {
    "page_view": 0.24,
    "page_view end": 0.18,
    "page_view impression page_view": 0.14,
    "page_view impression click page_view end": 0.12,
    "page_view page_view page_view end": 0.10,
    "page_view impression impression click page_view interaction end": 0.08,
    "page_view page_view cart_add end": 0.06,
    "page_view page_view cart_add order end": 0.05,
    "page_view impression click page_view conversion end": 0.03,
}
"""What sessions do, and the share of each: 3.25 actions on average, 42 % bounce."""

Located = tuple[str, int, bytes]
"""An event's topic without its prefix, its partition, and its record."""


@dataclass(frozen=True)
class Workload:
    """A log.

    Attributes:
        about: what it holds, for people.
        events: makes the log of so many events, in its order.
        sessions: it is as long as its number of sessions asks for, not as it is told.
        times: so many times as long as it is told.
    """

    about: str
    events: Callable[[int], Iterator[Located]]
    sessions: bool = False
    times: float = 1.0


def start_ms(count: int, per_second: int = EVENTS_PER_SECOND_OF_EVENT_TIME) -> int:
    """When a log of so many events begins that shall end now."""
    return time.time_ns() // 1_000_000 - count * 1000 // per_second


def survey_events(
    count: int,
    seed: int = 1,
    *,
    channels: int = len(CHANNELS),
    skewed: bool = False,
    first_ms: int | None = None,
    per_second: int = EVENTS_PER_SECOND_OF_EVENT_TIME,
) -> Iterator[Located]:
    """NPS answers with a channel and a product.

    Args:
        count: how many.
        seed: of everything but the times.
        channels: how many there are; each of them comes in turn unless they are skewed.
        skewed: few customers and few channels have most of the answers, by Zipf's law, and a
            customer's answers are in one partition; else partitions take turns.
        first_ms: when the first is; by default so that the last is now.
        per_second: events a second of event time.
    """
    rng = np.random.default_rng(seed)
    names = [c.encode() for c in CHANNELS]
    if channels != len(CHANNELS):
        names = [b"c%05d" % number for number in range(channels)]
    begin_ms = start_ms(count, per_second) if first_ms is None else first_ms
    for begin in range(0, count, _CHUNK):
        number = min(_CHUNK, count - begin)
        if skewed:
            customers = _zipf(rng, _CUSTOMERS, number)
            chosen = _zipf(rng, channels, number)
            partitions = [zlib.crc32(b"c%d" % c) % PARTITIONS for c in customers]
        else:
            customers = rng.integers(0, _CUSTOMERS, number).tolist()
            # In turn and not at random: each so many events have all channels, once each, and a
            # channel is in another partition the next time.
            chosen = [(i + i // channels) % channels for i in range(begin, begin + number)]
            partitions = [i % PARTITIONS for i in range(begin, begin + number)]
        rows = zip(
            range(begin, begin + number),
            _uuids(rng, number),
            customers,
            rng.integers(0, 11, number).tolist(),
            chosen,
            rng.integers(0, len(PRODUCTS), number).tolist(),
            partitions,
            strict=True,
        )
        for i, event_id, customer, score, channel, product, partition in rows:
            yield (
                EventType.SURVEY_RESPONSE.topic,
                partition,
                b'{"type":"survey_response","event_id":"%b","occurred_at":"%b","customer_id":"c%d",'
                b'"survey":"nps","score":%d,"dimensions":{"channel":"%b","product":"%b"}}'
                % (
                    event_id,
                    _time(begin_ms + i * 1000 // per_second),
                    customer,
                    score,
                    names[channel],
                    _PRODUCTS[product],
                ),
            )


def mixed_events(
    count: int, seed: int = 1, *, per_second: int = EVENTS_PER_SECOND_OF_EVENT_TIME
) -> Iterator[Located]:
    """``count`` simulated events of all types that end now, so many a second of event time."""
    endless = simulate(
        seed=seed,
        rate=per_second,
        start_ms=start_ms(count, per_second),
        duration_s=None,
        daily_rhythm=False,
    )
    for event in islice(endless, count):
        partition = zlib.crc32(kafka_key(event).encode()) % PARTITIONS
        yield EventType(event["type"]).topic, partition, encode(event)


def session_events(
    sessions: int,
    seed: int = 1,
    *,
    ends: bool = True,
    per_second: int = EVENTS_PER_SECOND_OF_EVENT_TIME,
) -> Iterator[Located]:
    """The actions of so many sessions, in order.

    Args:
        sessions: how many.
        seed: of everything but the times.
        ends: as `VISITS` has it; otherwise no session says that it ends, and all begin within 25
            minutes, so all of them are open at the end.
        per_second: actions a second of event time, of sessions that end.
    """
    rng = np.random.default_rng(seed)
    visits = [tuple(visit.encode().split()) for visit in VISITS]
    if not ends:
        visits = [tuple(action for action in visit if action != b"end") for visit in visits]
    kinds = rng.choice(len(visits), sessions, p=list(VISITS.values()))
    lengths = np.array([len(visit) for visit in visits])[kinds]
    ends_at = np.cumsum(lengths)
    count = int(ends_at[-1])
    seconds = count / per_second if ends else _OPEN_FOR_S
    session = np.repeat(np.arange(sessions), lengths)
    step = np.arange(count) - np.repeat(ends_at - lengths, lengths)
    pauses = np.where(step > 0, _READING_MS * rng.lognormal(sigma=0.7, size=count), 0).cumsum()
    at_ms = pauses - np.repeat(pauses[ends_at - lengths], lengths)
    at_ms += np.repeat(rng.uniform(0, seconds * 1000, sessions), lengths)
    order = np.argsort(at_ms, kind="stable")
    now_ms = time.time_ns() // 1_000_000
    at_ms = (at_ms - at_ms[order[-1]]).astype(np.int64) + now_ms
    ids = rng.integers(0, 2**48, sessions)
    channel = rng.choice(len(CHANNELS), sessions, p=(0.12, 0.48, 0.34, 0.06, 0.0))
    for begin in range(0, count, _CHUNK):
        rows = order[begin : begin + _CHUNK]
        of = session[rows]
        columns = zip(
            _uuids(rng, len(rows)),
            at_ms[rows].tolist(),
            of.tolist(),
            ids[of].tolist(),
            channel[of].tolist(),
            kinds[of].tolist(),
            step[rows].tolist(),
            strict=True,
        )
        for event_id, ms, number, session_id, from_channel, kind, at in columns:
            yield (
                EventType.SESSION.topic,
                number % PARTITIONS,
                b'{"type":"session","event_id":"%b","occurred_at":"%b","dimensions":{"channel":"%b"'
                b',"product":"%b"},"session_id":"%012x-%08x","action":"%b","page":"%b"}'
                % (
                    event_id,
                    _time(ms),
                    _CHANNELS[from_channel],
                    _PRODUCTS[number % len(PRODUCTS)],
                    session_id,
                    number,
                    visits[kind][at],
                    _PAGES[(number + at) % len(_PAGES)],
                ),
            )


def shuffled(log: Iterable[Located], seed: int = 1) -> Iterator[Located]:
    """A log in order, with its events up to 110 s late, each by chance."""
    rng = random.Random(seed)
    waiting: list[tuple[float, int, Located]] = []
    for i, event in enumerate(log):
        at_ms = _time_of(event[2])
        while waiting and waiting[0][0] <= at_ms:
            yield heappop(waiting)[2]
        heappush(waiting, (at_ms + rng.uniform(0, _SHUFFLED_MS), i, event))
    while waiting:
        yield heappop(waiting)[2]


def shares() -> str:
    """The shares of the mixed log, largest first."""
    total = sum(DEFAULT_MIX.values())
    ordered = sorted(DEFAULT_MIX.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {100 * share / total:.1f} %" for name, share in ordered)


_CHANNELS: Final = tuple(name.encode() for name in CHANNELS)
_PRODUCTS: Final = tuple(name.encode() for name in PRODUCTS)
_seconds: dict[int, bytes] = {}


def _time(ms: int) -> bytes:
    second, rest = divmod(ms, 1000)
    text = _seconds.get(second)
    if text is None:
        text = _seconds[second] = format_rfc3339(second * 1000)[:19].encode()
    return b"%b.%03dZ" % (text, rest)


def _time_of(record: bytes) -> int:
    """When an event occurred: its name is written only once in the records here."""
    return parse_rfc3339(record.partition(b'"occurred_at":"')[2].partition(b'"')[0].decode())


def _uuids(rng: np.random.Generator, number: int) -> list[bytes]:
    hexed = rng.bytes(16 * number).hex().encode()
    return [
        b"%b-%b-4%b-a%b-%b"
        % (
            hexed[i : i + 8],
            hexed[i + 8 : i + 12],
            hexed[i + 13 : i + 16],
            hexed[i + 17 : i + 20],
            hexed[i + 20 : i + 32],
        )
        for i in range(0, 32 * number, 32)
    ]


def _zipf(rng: np.random.Generator, values: int, number: int) -> list[int]:
    cumulative = np.cumsum(np.arange(1, values + 1, dtype=float) ** -_ZIPF)
    chosen: list[int] = np.searchsorted(cumulative, rng.uniform(0, cumulative[-1], number)).tolist()
    return chosen


WORKLOADS: Final[Mapping[str, Workload]] = {
    "survey": Workload("NPS answers, 5 channels and 4 products", survey_events),
    "survey-live": Workload(
        "NPS answers, 5 channels and 4 products, 100,000 a second",
        lambda count: survey_events(count, per_second=FULL_LOAD_PER_SECOND),
    ),
    "skewed": Workload(
        "NPS answers of customers and channels by Zipf's law",
        lambda count: survey_events(
            count, channels=1_000, skewed=True, per_second=FULL_LOAD_PER_SECOND
        ),
    ),
    "shuffled": Workload(
        "NPS answers up to 110 s late", lambda count: shuffled(survey_events(count))
    ),
    "values-1000": Workload(
        "NPS answers, 1,000 channels, 100,000 a second",
        lambda count: survey_events(count, channels=1_000, per_second=FULL_LOAD_PER_SECOND),
        times=2,  # more ids are remembered
    ),
    "sparse-1000": Workload(
        "NPS answers, 1,000 channels, each once a second",
        lambda count: survey_events(count, channels=1_000),
    ),
    "values-10000": Workload(
        "NPS answers, 10,000 channels, 100,000 a second",
        lambda count: survey_events(count, channels=10_000, per_second=FULL_LOAD_PER_SECOND),
    ),
    "mixed": Workload("all eight types, simulated", mixed_events),
    "mixed-live": Workload(
        "all eight types, simulated, 100,000 a second",
        lambda count: mixed_events(count, per_second=FULL_LOAD_PER_SECOND),
    ),
    "mixed-shuffled": Workload(
        "all eight types, up to 110 s late", lambda count: shuffled(mixed_events(count))
    ),
    "sessions": Workload("actions of sessions", session_events, sessions=True),
    "sessions-live": Workload(
        "actions of sessions, 100,000 a second",
        lambda sessions: session_events(sessions, per_second=FULL_LOAD_PER_SECOND),
        sessions=True,
        times=0.25,
    ),
    "sessions-shuffled": Workload(
        "actions of sessions, up to 110 s late",
        lambda sessions: shuffled(session_events(sessions)),
        sessions=True,
        times=0.25,
    ),
    "sessions-open": Workload(
        "actions of sessions that do not end",
        lambda sessions: session_events(sessions, ends=False),
        sessions=True,
    ),
}
