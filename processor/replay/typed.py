"""All events of one type: one partition engine, or several by the contract's Kafka key."""

from collections.abc import Iterator, Sequence
from typing import Final

import xxhash
from pydantic import ValidationError

from processor.core.changes import Rejected
from processor.core.config import EngineConfig
from processor.core.engine import PartitionEngine
from processor.core.panes import SECOND_MS
from processor.core.segments import Segmentation
from processor.metrics.measures import count_session, plan_of
from processor.metrics.own_definition import OwnMetric
from schemas.events import EventType, kafka_key
from schemas.timestamps import parse_rfc3339
from schemas.validators import fast_validator


class TypeEngines:
    """The partitions of one event type.

    Args:
        event_type: the type of every event here.
        config: as for the partition engines.
        segmentation: shared by all types.
        partitions: how many; more than one gives the same counts, as Kafka's partitions would.
        own: metrics of one's own, to be counted too.

    Attributes:
        engines: by partition.
    """

    def __init__(
        self,
        event_type: EventType,
        config: EngineConfig,
        segmentation: Segmentation,
        partitions: int,
        own: Sequence[OwnMetric] = (),
    ) -> None:
        self.event_type: Final = event_type
        self._config = config
        self._validate = fast_validator(event_type)
        self._clock_ms = 0
        plan = plan_of(event_type, config.survey_responses, own)
        self.engines = tuple(
            PartitionEngine(
                event_type,
                plan,
                config,
                segmentation,
                count_session=count_session,
                customers_held_max=config.customers_max,
            )
            for _ in range(partitions)
        )

    def fold(self, lines: Sequence[bytes], now_ms: int) -> list[Rejected]:
        """Validate, de-duplicate and count lines of this type.

        Returns:
            What was refused, by position in ``lines``.
        """
        if len(self.engines) == 1:
            return self.engines[0].fold(lines, now_ms)
        return [
            Rejected(positions[refused.position], refused.error)
            for engine, positions in self._routed(lines, now_ms)
            for refused in engine.fold([lines[p] for p in positions], now_ms)
        ]

    def _routed(
        self, lines: Sequence[bytes], now_ms: int
    ) -> Iterator[tuple[PartitionEngine, list[int]]]:
        """Positions by partition, in rounds within which no event id is forgotten.

        What a partition remembers depends on its clock, and the clocks of several lag behind one
        that sees everything. So all of them are moved on at every border between generations of
        ids, and it makes no difference how many there are.
        """
        generation_of = self.engines[0].dedup.generation_of
        buckets: list[list[int]] = [[] for _ in self.engines]
        for position, line in enumerate(lines):
            placed = self._place(line, now_ms)
            if placed is None:
                buckets[0].append(position)  # its engine says why
                continue
            partition, time_ms = placed
            if time_ms > self._clock_ms:
                if generation_of(time_ms) != generation_of(self._clock_ms):
                    yield from self._filled(buckets)
                    buckets = [[] for _ in self.engines]
                    for engine in self.engines:
                        engine.advance(time_ms)
                self._clock_ms = time_ms
            buckets[partition].append(position)
        yield from self._filled(buckets)
        for engine in self.engines:
            engine.advance(self._clock_ms)

    def _filled(self, buckets: list[list[int]]) -> Iterator[tuple[PartitionEngine, list[int]]]:
        return (
            (engine, positions)
            for engine, positions in zip(self.engines, buckets, strict=True)
            if positions
        )

    def _place(self, line: bytes, now_ms: int) -> tuple[int, int] | None:
        if len(line) > self._config.max_record_bytes:
            return None
        try:
            event = self._validate(line)
            time_ms = parse_rfc3339(event["occurred_at"])
        except (ValidationError, ValueError):
            return None
        if time_ms > now_ms + self._config.future_skew_ms:
            return None
        key = xxhash.xxh3_64_intdigest(kafka_key(event).encode())
        return key % len(self.engines), time_ms - time_ms % SECOND_MS
