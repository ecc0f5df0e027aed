"""Writes readings to their topic: the ones of a write become visible together, or none of them.

Thousands of records at once are put into batches here, partition by partition: handed to the
producer one by one each would cost a future and a hash of its key.
"""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import DefaultPartitioner

if TYPE_CHECKING:
    from aiokafka.producer.message_accumulator import BatchBuilder


class ReadingsTopic:
    """The compacted topic of readings.

    Args:
        producer: transactional and started; its owner stops it.
        topic: its name.
    """

    def __init__(self, producer: AIOKafkaProducer, topic: str) -> None:
        self._producer = producer
        self._topic = topic
        self._partitioner = DefaultPartitioner()
        self._partitions: list[int] = []
        self._partition_of: dict[bytes, int] = {}

    async def write(self, rows: Mapping[bytes, bytes]) -> None:
        """Write readings in one transaction.

        Args:
            rows: JSON by key, both encoded.

        Raises:
            aiokafka.errors.KafkaError: the broker is away or refuses, or another leader has begun.
        """
        partitions = sorted(await self._producer.partitions_for(self._topic))
        if partitions != self._partitions:
            self._partitions, self._partition_of = partitions, {}
        by_partition: dict[int, list[tuple[bytes, bytes]]] = {}
        for record in rows.items():
            by_partition.setdefault(self._partition(record[0]), []).append(record)
        async with self._producer.transaction():
            sent = [
                await self._send(batch, partition)
                for partition, records in by_partition.items()
                for batch in self._batches(records)
            ]
            await asyncio.gather(*sent)

    def _partition(self, key: bytes) -> int:
        partition = self._partition_of.get(key)
        if partition is None:  # the same as any producer's that is told none
            partition = self._partitioner(key, self._partitions, self._partitions)
            self._partition_of[key] = partition
        return partition

    def _batches(self, records: list[tuple[bytes, bytes]]) -> "list[BatchBuilder]":
        batches = [self._producer.create_batch()]
        for key, value in records:
            if batches[-1].append(key=key, value=value, timestamp=None) is None:
                batches.append(self._producer.create_batch())
                batches[-1].append(key=key, value=value, timestamp=None)
        for batch in batches:
            batch.close()  # nothing more is to wait for
        return batches

    async def _send(self, batch: "BatchBuilder", partition: int) -> Any:
        return await self._producer.send_batch(batch, self._topic, partition=partition)
