"""Dead letters: what was refused, kept with its reason, before its offset is released."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError, OutOfOrderSequenceNumber
from aiokafka.producer.transaction_manager import (
    NO_PRODUCER_EPOCH,
    NO_PRODUCER_ID,
    PidAndEpoch,
)

from schemas.validators import InvalidEvent

SUFFIX: Final = ".dlq"

_KEPT_BYTES: Final = 16 * 1024
"""Of a value that the broker does not take whole, with the reasons added to it."""

_OLDEST_MS: Final = 86_400_000
_NEWEST_MS: Final = 300_000
"""A letter has its record's time if that is within a day before now and five minutes after it. Of
an older time the topic's retention would delete it at once, and a broker refuses one far ahead."""

Headers = list[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A refused record with where it came from and why it was refused.

    Attributes:
        topic: the source topic.
        partition: the source partition.
        record: the raw record: ``offset``, ``timestamp``, ``key``, ``value``, ``headers``.
        error: code, message and field.
    """

    topic: str
    partition: int
    record: Any
    error: InvalidEvent

    @property
    def size(self) -> int:
        """Bytes that the record holds in memory, about."""
        return len(self.record.key or b"") + len(self.record.value or b"")

    def forms(self) -> Iterator[tuple[bytes | None, bytes | None, Headers]]:
        """Key, value and headers to send: as they were, and shorter for when that is too large."""
        original = [(name, value or b"") for name, value in self.record.headers]
        key, value = self.record.key, self.record.value
        yield key, value, original + self.reasons()
        size = 0 if value is None else len(value)
        start = None if value is None else value[:_KEPT_BYTES]
        truncated = [*self.reasons(), ("cx.error.truncated", str(size).encode())]
        yield key, start, original + truncated
        yield None, start, truncated

    def reasons(self) -> Headers:
        """The contract's headers."""
        return [
            ("cx.error.code", self.error.code.encode()),
            ("cx.error.message", self.error.message.encode()),
            ("cx.error.field", self.error.field.encode()),
            ("cx.error.topic", self.topic.encode()),
            ("cx.error.partition", str(self.partition).encode()),
            ("cx.error.offset", str(self.record.offset).encode()),
        ]


class DeadLetters:
    """Writes dead letters to ``<topic>.dlq``.

    A record that is too large for it, with the reasons added, is cut: the header
    ``cx.error.truncated`` then holds how many bytes its value had. One that is too old to be kept
    under its own time gets that of now: ``cx.error.timestamp`` then holds its own, in milliseconds.

    Args:
        producer: acknowledges on all replicas; started by its owner.
    """

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer

    async def send(self, letters: Sequence[DeadLetter]) -> None:
        """Write all letters, and return when the broker has them.

        Raises:
            aiokafka.errors.KafkaError: the broker did not take one of them; all may be sent again.
        """
        await asyncio.gather(*map(self._send, letters))

    async def _send(self, letter: DeadLetter) -> None:
        *shorter_to_come, shortest = letter.forms()
        for form in shorter_to_come:
            try:
                return await self._send_form(letter, form)
            except MessageSizeTooLargeError:
                continue  # it must not stop the events behind it
        return await self._send_form(letter, shortest)

    async def _send_form(
        self, letter: DeadLetter, form: tuple[bytes | None, bytes | None, Headers]
    ) -> None:
        key, value, headers = form
        timestamp_ms: int = letter.record.timestamp
        now_ms = time.time_ns() // 1_000_000
        if not now_ms - _OLDEST_MS <= timestamp_ms <= now_ms + _NEWEST_MS:
            headers = [*headers, ("cx.error.timestamp", str(timestamp_ms).encode())]
            timestamp_ms = now_ms
        delivery = await self._producer.send(
            letter.topic + SUFFIX,
            key=key,
            value=value,
            timestamp_ms=timestamp_ms,
            headers=headers,
        )
        try:
            await delivery
        except OutOfOrderSequenceNumber:
            _number_anew(self._producer)
            raise


def _number_anew(producer: AIOKafkaProducer) -> None:
    """Let a producer have another id, under which the numbers of its batches begin anew.

    A batch whose partition has no leader for longer than a request may take is given up with its
    number. The broker then waits for that number, and refuses all that come after it.
    """
    manager = producer._txn_manager  # noqa: SLF001 - aiokafka asks for an id where there is none
    manager._pid_and_epoch = PidAndEpoch(NO_PRODUCER_ID, NO_PRODUCER_EPOCH)  # noqa: SLF001
    manager._pid_waiter = asyncio.get_running_loop().create_future()  # noqa: SLF001
    manager._sequence_numbers.clear()  # noqa: SLF001
