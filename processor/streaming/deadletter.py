"""Dead letters: what was refused, kept with its reason, before its offset is released."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import AIOKafkaProducer

from schemas.validators import InvalidEvent

SUFFIX: Final = ".dlq"


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

    def headers(self) -> list[tuple[str, bytes]]:
        """The original headers and the contract's."""
        return [
            *((name, value or b"") for name, value in self.record.headers),
            ("cx.error.code", self.error.code.encode()),
            ("cx.error.message", self.error.message.encode()),
            ("cx.error.field", self.error.field.encode()),
            ("cx.error.topic", self.topic.encode()),
            ("cx.error.partition", str(self.partition).encode()),
            ("cx.error.offset", str(self.record.offset).encode()),
        ]


class DeadLetters:
    """Writes dead letters to ``<topic>.dlq``.

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
        pending = [
            await self._producer.send(
                letter.topic + SUFFIX,
                key=letter.record.key,
                value=letter.record.value,
                timestamp_ms=letter.record.timestamp if letter.record.timestamp >= 0 else None,
                headers=letter.headers(),
            )
            for letter in letters
        ]
        await asyncio.gather(*pending)
