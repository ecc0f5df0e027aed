"""The thread that fetches: aiokafka's consumer, and what it brings as one batch a partition."""

import asyncio
import logging
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiokafka
from aiokafka.consumer.fetcher import FetchResult
from aiokafka.errors import ConsumerStoppedError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from processor.streaming.bounded import within
from processor.streaming.unpacking import unpack_in_batches

if TYPE_CHECKING:
    from processor.streaming.transport import BatchConsumer

log = logging.getLogger(__name__)

_WAIT_FOR_RECORDS_S = 1.0

_FETCH_WAIT_MS = 200
"""How long a broker waits for a first record. Whatever else is asked on that connection waits as
long: with Faust's 1.5 s the three questions of a claim took 4 s."""


@dataclass(slots=True)
class RecordBatch:
    """What one fetch brought of one partition.

    Attributes:
        topic: the topic.
        partition: its partition.
        chain: number of the seek that these records follow; a batch of an older chain is stale.
        base_offset: where the batch before it in its chain ended.
        next_offset: where this batch ends: the first offset that is not in it.
        records: raw records with ``offset``, ``timestamp`` (ms), ``key``, ``value``, ``headers``.
    """

    topic: str
    partition: int
    chain: int
    base_offset: int
    next_offset: int
    records: list[Any]

    @property
    def values(self) -> list[bytes | None]:
        """The records' values, in order."""
        return [record.value for record in self.records]


@dataclass(slots=True)
class _Chain:
    number: int
    next_offset: int


class BatchConsumerThread(driver.AIOKafkaConsumerThread):
    """The thread that fetches: gives a partition's records as one batch."""

    consumer: "BatchConsumer"

    def __post_init__(self) -> None:
        """Begin with no partition sought."""
        super().__post_init__()
        self.chains: MutableMapping[TP, _Chain] = {}
        self._chain_number = 0

    def _create_worker_consumer(self, transport: driver.Transport) -> aiokafka.AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        # Faust would read what its producer has not committed yet, or has taken back.
        consumer._isolation_level = "read_committed"  # noqa: SLF001 - no setting of Faust's does it
        consumer._fetch_max_wait_ms = _FETCH_WAIT_MS  # noqa: SLF001 - as above
        return consumer

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        # aiokafka tries until the broker answers, and in between nothing else is asked of it.
        limit_s = self.app.conf.broker_request_timeout
        try:
            return await within(limit_s, super()._commit(offsets), "committing offsets")
        except TimeoutError as error:
            log.warning("%s: later ones will follow", error)
            return False

    async def _seek_wait(
        self, consumer: aiokafka.AIOKafkaConsumer, partitions: Mapping[TP, int]
    ) -> None:
        for tp, offset in partitions.items():
            if self.consumer.is_batched(tp.topic):
                self._chain_number += 1
                self.chains[tp] = _Chain(self._chain_number, offset)
        await super()._seek_wait(consumer, partitions)

    async def _fetch_records(
        self,
        consumer: aiokafka.AIOKafkaConsumer,
        active_partitions: set[TP],
        timeout: float | None = None,  # noqa: ASYNC109 - the overridden signature
        max_records: int | None = None,
    ) -> Any:
        if not self.consumer.flow_active:
            return {}
        fetcher = consumer._fetcher  # noqa: SLF001 - what Faust's driver does as well
        if consumer._closed or fetcher._closed:  # noqa: SLF001
            raise ConsumerStoppedError
        subscriptions = fetcher._subscriptions  # noqa: SLF001
        deadline = self.loop_time() + (timeout or 0.0)
        with subscriptions.fetch_context():
            while True:
                if subscriptions.reassignment_in_progress:
                    await subscriptions.wait_for_assignment()
                self._keep_raw(fetcher)
                # With no timeout there is no await inside: nothing can be sought in between.
                records = await fetcher.fetched_records(active_partitions, 0, max_records)
                if records:
                    return {tp: self._batched(tp, found) for tp, found in records.items()}
                remaining = deadline - self.loop_time()
                if remaining <= 0:
                    return {}
                waiter = fetcher._create_fetch_waiter()  # noqa: SLF001
                done, _ = await asyncio.wait([waiter], timeout=remaining)
                if not done or fetcher._closed:  # noqa: SLF001
                    waiter.cancel()
                    return {}
                waiter.result()  # authorization errors

    @staticmethod
    def loop_time() -> float:
        """The running loop's clock."""
        return asyncio.get_running_loop().time()

    def _keep_raw(self, fetcher: Any) -> None:
        """Spare the fetched records of batch topics aiokafka's way of a record."""
        for tp, result in fetcher._records.items():  # noqa: SLF001
            if type(result) is FetchResult and self.consumer.is_batched(tp.topic):
                unpack_in_batches(result)

    def _batched(self, tp: Any, records: list[Any]) -> list[Any]:
        if not self.consumer.is_batched(tp.topic):
            return records
        tp = TP(tp.topic, tp.partition)
        chain = self.chains.get(tp)
        if chain is None:
            return []  # fetched before the partition was claimed: it will be sought and read again
        base_offset = chain.next_offset
        chain.next_offset = records[-1].offset + 1
        return [
            RecordBatch(
                tp.topic, tp.partition, chain.number, base_offset, chain.next_offset, records
            )
        ]
