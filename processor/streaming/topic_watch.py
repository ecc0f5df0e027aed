"""Notices that a topic was deleted and made again under its name: its offsets mean other events.

Where the new log is shorter than what was counted, the offsets tell. Where it is longer, aiokafka
reads on as if nothing had happened; only the id that the broker gives a topic is another one.
"""

import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Final, Protocol

from aiokafka.errors import KafkaError

from processor.streaming.resuming import LogReplacedError

log = logging.getLogger(__name__)

CHECK_EVERY_S: Final = 10.0
"""Between two looks at the ids of topics."""


class TopicIds(Protocol):
    """Who knows the ids of topics."""

    async def topic_ids(self, topics: Collection[str]) -> Mapping[str, str]:
        """The broker's id of each topic that it has one of."""


class TopicWatch:
    """The ids of the topics that are counted."""

    def __init__(self) -> None:
        self._source: TopicIds | None = None
        self._ids: Mapping[str, str] = {}

    async def look_up(self, source: TopicIds, topics: Collection[str]) -> None:
        """Take the ids as they are now for those of what is counted from now on.

        Raises:
            aiokafka.errors.KafkaError: the broker is away.
        """
        self._source = source
        self._ids = await source.topic_ids(topics) if topics else {}

    def id_of(self, topic: str) -> str:
        """A topic's id, empty where the broker does not tell it."""
        return self._ids.get(topic, "")

    def check(self, topic: str, counted: str) -> None:
        """Compare a topic with the one that was counted.

        Args:
            topic: its name.
            counted: the id stored with the counts, empty where it was not known.

        Raises:
            LogReplacedError: they are two.
        """
        now = self.id_of(topic)
        if now and counted and now != counted:
            raise _replaced(topic)

    async def watch_forever(self, sleep: Callable[[float], Awaitable[object]]) -> None:
        """Compare again and again, until cancelled.

        Raises:
            LogReplacedError: a topic is another one than at the last look-up.
        """
        while True:
            await sleep(CHECK_EVERY_S)
            counted, source = self._ids, self._source
            if source is None or not counted:
                continue
            try:
                found = await source.topic_ids(counted)
            except (KafkaError, OSError, TimeoutError) as error:
                log.info("topics could not be looked at: %r; looking again", error)
                continue
            if self._ids is not counted:
                continue  # claimed meanwhile, and checked with the claim
            for topic, topic_id in found.items():
                if counted[topic] != topic_id:
                    raise _replaced(topic)


def _replaced(topic: str) -> LogReplacedError:
    return LogReplacedError(
        f"{topic} was made again since its events were counted: its offsets mean other events now. "
        "To count it from its start, use another redis.prefix"
    )
