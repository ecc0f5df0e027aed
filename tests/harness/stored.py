"""Events counted by the real engines and flushed to Redis as workers do it, without Kafka."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from redis.asyncio import Redis

from processor.core.base_register import LocalRegister
from processor.core.config import EngineConfig
from processor.core.segments import Segmentation
from processor.replay.routing import type_of
from processor.replay.typed import TypeEngines
from processor.state.completeness import Completeness
from processor.state.keys import Keys
from processor.state.partition import PartitionStore
from schemas.events import EventType

TOPIC_PREFIX = "cx.events."


@dataclass
class StoredEvents:
    """A deployment's state, as it is after some events.

    Attributes:
        redis: a client.
        prefix: of its keys.
        config: of the engines.
        partitions: of every topic.
    """

    redis: Redis
    prefix: str
    config: EngineConfig
    partitions: int = 2
    _types: dict[EventType, TypeEngines] = field(default_factory=dict)
    _stores: dict[tuple[EventType, int], PartitionStore] = field(default_factory=dict)
    _offset: int = 0

    def __post_init__(self) -> None:
        config = self.config
        self._segmentation = Segmentation(config.segment_sets, config.segment_cap)
        self._register = LocalRegister(config.base_detail_ms, config.too_late_after_ms)

    async def add(self, lines: Sequence[bytes], now_ms: int, *, flushes: int = 1) -> None:
        """Count lines and flush them.

        Args:
            lines: raw events of any type, in the order of their arrival.
            now_ms: events may not be far ahead of it.
            flushes: how many there are of them.
        """
        for event_type in EventType:
            await self._engines(event_type)
        size = max(1, -(-len(lines) // flushes))
        for begin in range(0, len(lines), size):
            by_type: dict[EventType, list[bytes]] = {}
            for line in lines[begin : begin + size]:
                by_type.setdefault(type_of(line), []).append(line)
            for event_type, of_type in by_type.items():
                self._types[event_type].fold(of_type, now_ms)
            await self.flush()

    async def flush(self, completeness: Completeness | None = None) -> None:
        """Write what was counted."""
        self._offset += 1
        engines = [
            (kind, number, engine)
            for kind, of_type in self._types.items()
            for number, engine in enumerate(of_type.engines)
        ]
        for _, _, engine in engines:
            engine.learn_customers(dict.fromkeys(engine.unknown_customers()))
            self._segmentation.admit_locally(engine.unknown_segments())
        told = []
        for kind, number, engine in engines:
            changes = engine.take()
            if changes.inquiry is not None:
                told.append((engine, f"{kind}-{number}", changes.inquiry))
            store = self._stores[kind, number]
            await store.flush(changes, self._offset, completeness=completeness)
        for _, name, inquiry in told:
            self._register.settle(name, inquiry)
        for engine, name, inquiry in told:
            engine.settle_bases(self._register.settle(name, inquiry))

    async def _engines(self, event_type: EventType) -> TypeEngines:
        found = self._types.get(event_type)
        if found is None:
            found = self._types[event_type] = TypeEngines(
                event_type, self.config, self._segmentation, self.partitions
            )
            topic = TOPIC_PREFIX + event_type.topic
            for number in range(self.partitions):
                store = PartitionStore(
                    self.redis, Keys(self.prefix), topic, number, self.config.tiers
                )
                await store.claim("test")
                self._stores[event_type, number] = store
        return found


def shuffled(rng: random.Random, lines: Sequence[bytes], within: int) -> list[bytes]:
    """The lines, none of them more than so many places from its own."""
    placed = sorted((i + rng.uniform(0, within), line) for i, line in enumerate(lines))
    return [line for _, line in placed]
