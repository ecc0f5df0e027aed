"""One replay through Kafka: what it opens, what it has done, and what it leaves behind."""

import json
import logging
import time
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from aiokafka.errors import KafkaError
from faust.types import TP
from redis.asyncio import Redis
from redis.exceptions import RedisError

from processor.core.segments import Segmentation
from processor.rehearsal.errors import RehearsalError
from processor.rehearsal.naming import environment_of
from processor.rehearsal.player import Player, Taken
from processor.rehearsal.progress import Past, Progress, identity_of
from processor.rehearsal.segments import Admission
from processor.rehearsal.sender import Sender, places_in, replay_producer
from processor.rehearsal.servers import ready_topics, remove
from processor.rehearsal.standing import Standing
from processor.rehearsal.workers import running_workers
from processor.replay.inproc import InProcessEngine
from processor.replay.log import LINES_PER_CHUNK, STDIN, LogError
from processor.replay.merging import merged
from processor.replay.outcome import Rejects, Summary
from processor.replay.pacing import Pacer
from processor.replay.selection import Selection, Sieve
from processor.replay.shifting import Shifter
from processor.settings import Settings
from processor.state.keys import Keys
from processor.state.live import LiveReadings
from processor.state.partition import SegmentRegister
from processor.state.redis_url import async_client
from processor.streaming.bounded import start_producer, stop_producer
from processor.streaming.topics import event_topics
from schemas.events import EventType
from schemas.validators import ErrorCode

log = logging.getLogger(__name__)

_STOP_S: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a replay through Kafka is to do; see :func:`replay_through_kafka`."""

    paths: tuple[str, ...]
    workers: int
    keep: bool
    is_fresh: bool
    every_ms: int | None
    now_ms: int | None
    selection: Selection
    speed: float | None
    max_gap_ms: int | None
    shift_to_ms: int | None


class Run:
    """Everything behind a replay through Kafka.

    Args:
        settings: those of the replay's workers.
        options: what to do.
        rejects: takes the lines that are refused.
        summary: is filled at the end.

    Attributes:
        past: what an interrupted run had done.
        failures: what went wrong with a log.
    """

    def __init__(
        self, settings: Settings, options: Options, rejects: Rejects, summary: Summary
    ) -> None:
        self.past = Past()
        self.failures: list[LogError] = []
        self._settings = settings
        self._options = options
        self._rejects = rejects
        self._summary = summary
        self._keys = Keys(settings.redis.prefix)
        self._topics = {t: topic for topic, t in event_topics(settings.kafka).items()}
        self._own = settings.own_metrics()
        self._config = settings.engine.config(b"")  # as in one process
        self._sieve = Sieve(options.selection, self._config)
        self._stack = AsyncExitStack()
        self._player: Player | None = None
        self._redis: Redis | None = None
        self._is_done = False

    @property
    def player(self) -> Player:
        """The player, of a run that was opened."""
        if self._player is None:
            raise AssertionError("the replay was not opened")
        return self._player

    async def open(self) -> None:
        """Connect, find out what was done, and start the workers.

        Raises:
            RehearsalError: another replay is under way under the prefix.
            aiokafka.errors.KafkaError: the broker is away or refuses.
            redis.exceptions.RedisError: Redis is away or refuses.
        """
        settings, options, stack = self._settings, self._options, self._stack
        redis = async_client(
            settings.redis.url.get_secret_value(),
            timeout_s=settings.redis.timeout_s,
            repeats_timeouts=True,  # it only reads, and writes what may be written twice
        )
        stack.push_async_callback(redis.aclose)
        await redis.ping()
        self._redis = redis
        counts = await ready_topics(settings.kafka)
        stack.push_async_callback(self._clean_up)
        places = await self._find_past(redis, counts)
        producer = replay_producer(settings.kafka)
        stack.push_async_callback(partial(stop_producer, producer, _STOP_S))
        await start_producer(producer, settings.kafka.request_timeout_s)
        workers = stack.enter_context(
            running_workers(options.workers, environment_of(settings) if options.workers else {})
        )
        catalogue = settings.catalogue(self._own)
        standing = Standing(
            redis,
            self._keys,
            topics=tuple(counts),
            session_topic=self._topics[EventType.SESSION],
            config=self._config,
            metrics=catalogue,
            low_sample_under=settings.engine.low_sample_under,
            check=workers.check,
        )
        standing.remember(self.past.said)
        await standing.learn_sessions(counts[self._topics[EventType.SESSION]])
        segmentation = Segmentation(self._config.segment_sets, self._config.segment_cap)
        register = SegmentRegister(redis, self._keys, segmentation.sets, segmentation.cap)
        now_ms = self.past.now_ms
        lines = merged(
            options.paths,
            self._sieve,
            lines_per_chunk=LINES_PER_CHUNK,
            now_ms=_clock if now_ms is None else lambda: now_ms,
            failures=self.failures,
        )
        if self.past.shift_to_ms is not None:
            lines = Shifter(self.past.shift_to_ms).shifted(lines)
        self._player = Player(
            lines=lines,
            paths=options.paths,
            config=self._config,
            every_ms=options.every_ms,
            now_ms=_clock if now_ms is None else lambda: now_ms,
            sender=Sender(producer, self._topics, counts, self._config, places),
            standing=standing,
            admission=Admission(register, segmentation.sets, segmentation.cap),
            refuser=InProcessEngine(self._config, catalogue, own=self._own),
            rejects=self._rejects,
            pacer=Pacer(options.speed, options.max_gap_ms),
            past=self.past,
        )

    async def took(self, taken: Taken, position: int) -> None:
        """Note that a reading was taken, and is where it belongs."""
        if taken.is_final:
            self._is_done = True
            await self._progress.end()
        else:
            await self._progress.took(taken.number, taken.said, skip=taken.skip, position=position)

    async def tell(self) -> None:
        """Fill the summary."""
        summary, player = self._summary, self.player
        outcomes: dict[str, Counter[str]] = {}
        types = {topic: event_type for event_type, topic in self._topics.items()}
        for partition in (await LiveReadings(self._client, self._keys).read()).partitions:
            tally = outcomes.setdefault(str(types[partition.topic]), Counter())
            for outcome, n in partition.stats.items():
                tally["late" if outcome == "late_dropped" else outcome] += n
        player.refuser.final(0)  # until then it has not told what it counted
        for event_type, refused in player.refuser.outcomes.items():
            outcomes.setdefault(event_type, Counter()).update(refused)
        late = sum(tally["late"] for tally in outcomes.values())
        if late:
            self._rejects.by_code[ErrorCode.TOO_LATE] += late
        summary.outcomes = {name: tally for name, tally in outcomes.items() if tally.total()}
        summary.lines = player.count
        summary.filtered = self._sieve.dropped
        summary.earliest_ms = player.sender.earliest_ms
        summary.latest_ms = max(player.sender.clock_ms.values(), default=None)

    async def close(self) -> None:
        """End the workers, and remove what is not to be kept; idempotent."""
        await self._stack.aclose()

    @property
    def _client(self) -> Redis:
        if self._redis is None:
            raise AssertionError("the replay was not opened")
        return self._redis

    @property
    def _progress(self) -> Progress:
        return Progress(self._client, self._keys)

    async def _find_past(self, redis: Redis, counts: dict[str, int]) -> dict[TP, int]:
        """Whether this replay was begun before; how far it was sent."""
        options = self._options
        tps = [TP(topic, number) for topic, count in counts.items() for number in range(count)]
        places = await places_in(self._settings.kafka, tps)
        strange = [tp for tp, place in places.items() if place is None]
        if strange:
            raise RehearsalError(
                f"{strange[0].topic} holds records of others: choose another topic prefix"
            )
        past = await Progress(redis, self._keys).begin(
            self._identity(), now_ms=options.now_ms, shift_to_ms=options.shift_to_ms
        )
        if past is None and places:
            raise RehearsalError(
                f"the topics {self._settings.kafka.topic_prefix}* hold records of a replay of "
                "which Redis knows nothing: choose another topic prefix"
            )
        if past is not None and STDIN in options.paths:
            raise RehearsalError(
                "what came from standard input cannot be read again: choose another topic prefix"
            )
        self.past = past or Past(now_ms=options.now_ms, shift_to_ms=options.shift_to_ms)
        return {tp: place for tp, place in places.items() if place is not None}

    def _identity(self) -> str:
        """What the readings follow from, beside the events' topics."""
        options, settings = self._options, self._settings
        selection = options.selection
        told: dict[str, Any] = {
            "logs": identity_of(options.paths),
            "every": options.every_ms,
            "selection": [
                selection.from_ms,
                selection.to_ms,
                sorted(selection.where.items()),
                sorted(selection.types),
            ],
            "engine": settings.engine.model_dump(mode="json"),
            "metrics": [settings.publisher.metrics, settings.metrics.modules],
            "fixed now": options.now_ms is not None,
            "shifted": options.shift_to_ms is not None,
        }
        return json.dumps(told, sort_keys=True)

    async def _clean_up(self) -> None:
        options = self._options
        if options.keep or not (options.is_fresh or (self._is_done and options.workers)):
            return
        try:
            await remove(self._settings.kafka, self._client, self._keys)
        except (KafkaError, RedisError, OSError, TimeoutError) as error:
            log.warning(
                "the topics %s* and the keys %s* were not removed: %r",
                self._settings.kafka.topic_prefix,
                self._keys.prefix,
                error,
            )


def _clock() -> int:
    return time.time_ns() // 1_000_000
