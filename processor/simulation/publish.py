"""Simulated events to Kafka, at the pace at which they happen."""

import asyncio
import logging
from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from processor.simulation.pacing import SYSTEM_CLOCK, Clock, encode, paced
from processor.simulation.world import Event
from schemas.events import EventType, kafka_key

logger = logging.getLogger(__name__)

Progress = Callable[[int, float], None]
"""Told how many events Kafka has acknowledged, and how many seconds that took."""

_LINGER_MS: Final = 20
# One request per partition is under way at a time: the default 16 KiB would bound the speed.
_MOST_BATCH_BYTES: Final = 256 * 1024
_REQUEST_TIMEOUT_MS: Final = 10_000
_STOP_TIMEOUT_S: Final = 10.0
_PROGRESS_EVERY_S: Final = 1.0


class SimulationError(Exception):
    """Events could not be published; the message says why and what to do."""


async def publish(
    events: Iterable[Event],
    *,
    bootstrap: str,
    topic_prefix: str = "cx.events.",
    speed: float = 1.0,
    progress: Progress | None = None,
    producer_options: Mapping[str, Any] | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> int:
    """Sends events to the topics of their types, each when it is due.

    Cancelling it sends what has been begun, and closes the connection.

    Args:
        events: from :func:`simulate`; read no faster than they are due.
        bootstrap: ``host:port``, or several with commas.
        topic_prefix: what stands before the topics of the contract.
        speed: seconds of event time per second; ``math.inf`` for as fast as Kafka takes them.
        progress: called about once a second and at the end.
        producer_options: for aiokafka's producer over ours, such as its security settings.
        clock: what to wait by.

    Returns:
        How many events Kafka has acknowledged, which is all of them.

    Raises:
        SimulationError: Kafka cannot be reached, or refuses or loses events.
    """
    options: dict[str, Any] = {
        "acks": "all",
        "compression_type": "lz4",
        "linger_ms": _LINGER_MS,
        "max_batch_size": _MOST_BATCH_BYTES,
        "request_timeout_ms": _REQUEST_TIMEOUT_MS,
        **(producer_options or {}),
    }
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, **options)
    batches = paced(events, speed, clock=clock)
    try:
        await producer.start()
        return await _send_all(producer, batches, topic_prefix, _Teller(progress, clock))
    except KafkaError as error:
        raise SimulationError(
            f"cannot publish to Kafka at {bootstrap}: {error}; check that it runs, that the "
            f"address is right, and that the topics {topic_prefix}* exist (cxpulse topics create)"
        ) from error
    finally:
        # Here, not by the garbage collector, when a send fails or is cancelled.
        await batches.aclose()
        await _stop(producer)


class _Teller:
    """Counts what was sent, and tells of it about once a second."""

    def __init__(self, progress: Progress | None, clock: Clock) -> None:
        self._progress = progress
        self._clock = clock
        self._started = clock.monotonic()
        self._told_s = 0.0
        self.sent = 0

    def add(self, count: int) -> None:
        self.sent += count
        if self._clock.monotonic() - self._started - self._told_s >= _PROGRESS_EVERY_S:
            self.tell()

    def tell(self) -> None:
        self._told_s = self._clock.monotonic() - self._started
        if self._progress is not None:
            self._progress(self.sent, self._told_s)


async def _send_all(
    producer: AIOKafkaProducer,
    batches: AsyncIterable[list[Event]],
    topic_prefix: str,
    teller: _Teller,
) -> int:
    async for batch in batches:
        await _send(producer, batch, topic_prefix)
        teller.add(len(batch))
    teller.tell()
    return teller.sent


async def _send(producer: AIOKafkaProducer, batch: list[Event], topic_prefix: str) -> None:
    """Sends a batch and waits until Kafka has all of it.

    Waiting, not gathering: cancelling a gather would cancel the producer's own futures.
    """
    deliveries = [
        await producer.send(
            topic_prefix + EventType(event["type"]).topic, value=encode(event), key=_key(event)
        )
        for event in batch
    ]
    await asyncio.wait(deliveries)
    # Every failure is fetched, or the loop would complain of those that nobody looked at.
    failures = [error for delivery in deliveries if (error := delivery.exception()) is not None]
    if failures:
        raise failures[0]


def _key(event: Event) -> bytes | None:
    try:
        return kafka_key(event).encode()
    except KeyError:
        return None  # a poisoned event without an id: any partition


async def _stop(producer: AIOKafkaProducer) -> None:
    try:
        await asyncio.wait_for(producer.stop(), _STOP_TIMEOUT_S)
    except TimeoutError:
        logger.warning("Kafka did not close within %.0f s; left without it", _STOP_TIMEOUT_S)
