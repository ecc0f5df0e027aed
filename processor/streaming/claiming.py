"""Taking partitions over: a new owner's engine begins with what is stored."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

from faust.types import TP

from processor.core.config import EngineConfig
from processor.core.engine import PartitionEngine
from processor.core.segments import Segmentation
from processor.metrics.measures import count_session, plan_of
from processor.metrics.own_definition import OwnMetric
from processor.state.partition import SegmentRegister
from processor.state.table import PaneTable
from processor.streaming.attempts import Attempts
from processor.streaming.owned import OwnedPartition
from processor.streaming.topic_watch import TopicWatch
from schemas.events import EventType


class Claimer:
    """Takes partitions over.

    Args:
        topics: event type by batch topic.
        config: the engines' configuration.
        table: the pane table.
        register: where segments are admitted for all workers.
        segmentation: shared by the partitions of a process.
        topic_watch: knows the topics' ids.
        attempts: where what has to be tried again is known.
        owner: names this worker in Redis.
        put_back: writes again what all workers share, where Redis has lost it.
        own: metrics of one's own, to be counted too.
    """

    def __init__(
        self,
        *,
        topics: Mapping[str, EventType],
        config: EngineConfig,
        table: PaneTable,
        register: SegmentRegister,
        segmentation: Segmentation,
        topic_watch: TopicWatch,
        attempts: Attempts,
        owner: str,
        put_back: Callable[[], Awaitable[object]] | None,
        own: Sequence[OwnMetric],
    ) -> None:
        plans = (plan_of(name, config.survey_responses, own) for name in EventType)
        self._plans = {plan.event_type: plan for plan in plans}
        self._topics = topics
        self._config = config
        self._table = table
        self._register = register
        self._segmentation = segmentation
        self._topic_watch = topic_watch
        self._attempts = attempts
        self._owner = owner
        self._put_back = put_back

    async def claim(self, tp: TP) -> OwnedPartition:
        """Fence every earlier owner of a partition, and load its engine's state.

        Raises:
            LogReplacedError: its topic is not the one that was counted.
        """
        event_type = self._topics[tp.topic]
        store = self._table.partition(tp.topic, tp.partition)
        ask = partial(store.claim, self._owner, self._topic_watch.id_of(tp.topic))
        claim = await self._attempts.until_done(store.name, ask)
        assert claim is not None  # never given up; Faust gives up its rebalance after a while
        self._topic_watch.check(tp.topic, claim.topic_id)
        engine = PartitionEngine(
            event_type,
            self._plans[event_type],
            self._config,
            self._segmentation,
            count_session=count_session,
        )
        engine.restore(
            clock_ms=claim.clock_ms,
            generations=((g.number, g.ids, g.contents) for g in claim.generations),
            sessions=claim.sessions.items(),
            bases=claim.bases,
        )
        return OwnedPartition(tp, store, engine, claim.offset or 0, completeness=claim.completeness)

    async def restore_shared(self) -> None:
        """Write again what was agreed with the other workers, and is lost with the counts."""
        writes: list[Callable[[], Awaitable[object]]] = [
            partial(self._register.admit, index, admitted)
            for index, admitted in enumerate(self._segmentation.admitted)
            if admitted
        ]
        if self._put_back is not None:
            writes.append(self._put_back)
        for write in writes:
            await self._attempts.until_done("what workers share", write)
