"""The topic of alerts: every change of the outbox goes there, in order, at least once."""

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from processor.notifying.grouping import START
from processor.notifying.notification import AlertRow
from processor.notifying.outbox import PAGE, Outbox
from processor.streaming.bounded import start_producer, stop_producer, within

log = logging.getLogger(__name__)

_START_S: Final = 30.0
_SEND_S: Final = 30.0
_STOP_S: Final = 2.0


class AlertTopic:
    """Sends changes of alerts to their topic while this process leads.

    Args:
        outbox: where they come from.
        topic: keyed by fingerprint, so that compaction keeps the latest of each alert.
        new_producer: makes an idempotent producer, not started yet.
    """

    def __init__(
        self, outbox: Outbox, topic: str, new_producer: Callable[[], AIOKafkaProducer]
    ) -> None:
        self._outbox = outbox
        self._topic = topic
        self._new_producer = new_producer

    @property
    def name(self) -> str:
        """Names its cursor; no receiver can be called so."""
        return f"topic:{self._topic}"

    async def run(self, bell: asyncio.Event) -> None:
        """Send all that comes, until cancelled.

        Args:
            bell: is set when there may be something new.

        Raises:
            redis.exceptions.RedisError: Redis is away or refuses; run it again.
            OSError: the broker is; run it again.
        """
        producer = self._new_producer()
        try:
            await start_producer(producer, _START_S)
            try:
                await self._follow(producer, bell)
            finally:
                await self._stop(producer)
        except KafkaError as error:
            raise OSError(f"{self._topic}: {error!r}") from error

    async def _follow(self, producer: AIOKafkaProducer, bell: asyncio.Event) -> None:
        cursor = await self._outbox.cursor(self.name) or START
        while True:
            bell.clear()
            entries = await self._outbox.read(cursor)
            if entries:
                alerts = [alert for _, alert in entries if alert is not None]
                await within(_SEND_S, self._send(producer, alerts), "sending alerts")
                cursor = entries[-1][0]
                await self._outbox.keep(self.name, cursor)
            if len(entries) < PAGE:
                await bell.wait()

    async def _send(self, producer: AIOKafkaProducer, alerts: Sequence[AlertRow]) -> None:
        sent = [
            await producer.send(
                self._topic,
                key=alert["fingerprint"].encode(),
                value=json.dumps(alert, separators=(",", ":"), ensure_ascii=False).encode(),
            )
            for alert in alerts
        ]
        await asyncio.gather(*sent)

    async def _stop(self, producer: AIOKafkaProducer) -> None:
        try:
            await stop_producer(producer, _STOP_S)
        except (KafkaError, OSError, TimeoutError) as error:
            log.warning("the producer of alerts did not stop cleanly: %r", error)
