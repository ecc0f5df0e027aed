"""Dead letters: what was refused, kept with its reason, before its offset is released."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError

from schemas.validators import InvalidEvent

SUFFIX: Final = ".dlq"

_KEPT_BYTES: Final = 16 * 1024
"""Of a value that the broker does not take whole, with the reasons added to it."""

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
    ``cx.error.truncated`` then holds how many bytes its value had.

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
        timestamp_ms = letter.record.timestamp
        delivery = await self._producer.send(
            letter.topic + SUFFIX,
            key=key,
            value=value,
            timestamp_ms=timestamp_ms if timestamp_ms >= 0 else None,
            headers=headers,
        )
        await delivery
