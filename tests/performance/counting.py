"""What the counting path takes for each event: raw records in, changes to store out."""

from collections.abc import Callable, Sequence
from typing import Final

from processor.core.changes import Changes
from processor.core.config import EngineConfig
from processor.core.engine import PartitionEngine
from processor.core.segments import Segmentation
from processor.metrics.measures import count_session, plan_of
from schemas.events import EventType
from tests.performance.logs import NOW_MS, answers, orders, simulated, visits
from tests.performance.meters import Work, held_bytes

EVENTS: Final = 2_000
"""In one measured flush; as many go before, so that what is looked up once is known."""

MANY: Final = 10_000
"""Of a kind, to weigh one of them."""


class Counting:
    """One partition, as a worker has it, without Redis: it admits segments by itself.

    Args:
        event_type: of its events.
    """

    def __init__(self, event_type: EventType) -> None:
        config = EngineConfig()
        self._segmentation = Segmentation(config.segment_sets, config.segment_cap)
        self.engine = PartitionEngine(
            event_type,
            plan_of(event_type, config.survey_responses, ()),
            config,
            self._segmentation,
            count_session=count_session,
        )

    def fold(self, records: Sequence[bytes]) -> None:
        """Takes records in, none of which is refused."""
        assert not self.engine.fold(records, NOW_MS)

    def flush(self) -> Changes:
        """Takes out what changed, as before a flush."""
        engine = self.engine
        while customers := engine.unknown_customers():
            engine.learn_customers(dict.fromkeys(customers))
        while unknown := engine.unknown_segments():
            self._segmentation.admit_locally(unknown)
        return engine.take()

    def count(self, records: Sequence[bytes]) -> Changes:
        """Both."""
        self.fold(records)
        return self.flush()


def per_event(
    event_type: EventType,
    meter: Callable[[Work], int],
    count: Callable[[Counting, Sequence[bytes]], object] = Counting.count,
) -> float:
    """A meter's number for each event of a flush.

    Args:
        event_type: of the events.
        meter: one of those of `tests.performance.meters`.
        count: what is measured.
    """
    records = simulated(event_type, 2 * EVENTS)
    # What a process looks up once, such as the fractions of seconds, is known to another partition.
    Counting(event_type).count(records)
    counting = Counting(event_type)
    counting.count(records[:EVENTS])
    return meter(lambda: count(counting, records[EVENTS:])) / EVENTS


def bytes_gathered() -> float:
    """Bytes that an answer takes until its flush."""
    counting = _warm(EventType.SURVEY_RESPONSE, answers)
    records = answers(MANY)
    return held_bytes(lambda: counting.fold(records)) / MANY


def bytes_remembered() -> float:
    """Bytes that an answer takes after its flush: its id."""
    return _bytes_left(EventType.SURVEY_RESPONSE, answers)


def bytes_of_open_session() -> float:
    """Bytes that an open session takes after the flush of its one action, with its id."""
    return _bytes_left(EventType.SESSION, visits)


def bytes_of_customer() -> float:
    """Bytes that a customer takes after the flush of one order, with its id."""
    return _bytes_left(EventType.PURCHASE, orders)


def _warm(event_type: EventType, make: Callable[[int], list[bytes]]) -> Counting:
    Counting(event_type).count(make(100))
    return Counting(event_type)


def _bytes_left(event_type: EventType, make: Callable[[int], list[bytes]]) -> float:
    counting = _warm(event_type, make)
    records = make(MANY)

    def count() -> None:
        counting.count(records)

    return held_bytes(count) / MANY
