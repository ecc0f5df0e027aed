"""From events to a partition's base: which series each belongs to."""

from collections.abc import Iterable, Mapping, Sequence

from processor.core.base_book import BaseBook
from processor.core.base_register import Answer, Inquiry
from processor.core.bases import BaseEvent, BasePlan
from processor.core.config import EngineConfig
from processor.core.event_fields import Event
from processor.core.segments import Dimensions, Segmentation
from schemas.readings import WHOLE
from schemas.timestamps import parse_rfc3339

_Pending = tuple[int, BaseEvent, Dimensions, Mapping[str, str]]


class BaseIntake:
    """Gathers what events say of a base until their segments are decided, then records it.

    Args:
        plan: the base.
        config: windows and limits.
        segmentation: the segment sets.
    """

    def __init__(self, plan: BasePlan, config: EngineConfig, segmentation: Segmentation) -> None:
        self._plan = plan
        self._segmentation = segmentation
        self._book = BaseBook(
            plan, config.tiers, margin_ms=config.future_skew_ms, identity_key=config.identity_key
        )
        self._pending: list[_Pending] = []

    @property
    def has_changes(self) -> bool:
        """Whether :meth:`take` would give anything."""
        return bool(self._pending) or self._book.has_changes

    def restore(self, by_series: Mapping[str, Mapping[str, int]]) -> None:
        """Go on from the stored cell: series → counter → count."""
        self._book.restore(by_series)

    def add(self, events: Sequence[Event], dimensions: Iterable[Dimensions]) -> None:
        """Take in events.

        Args:
            events: as the fast validator gives them.
            dimensions: their values of the dimensions in use.
        """
        read = self._plan.read
        for event, projected in zip(events, dimensions, strict=True):
            said = read(event)
            if said is not None:
                at_ms = parse_rfc3339(event["occurred_at"])
                self._pending.append((at_ms, said, projected, event.get("dimensions") or {}))

    def take(self) -> dict[str, dict[str, int]]:
        """What to add to the bases' cell since the last call; all segments must be decided."""
        pending, self._pending = self._pending, []
        for at_ms, said, projected, named in pending:
            self._book.record(at_ms, self._series(said, projected, named), said)
        return self._book.take()

    def inquire(self, clock_ms: int) -> Inquiry | None:
        """What to tell the register of what was taken; ``None`` where it need not be asked."""
        return self._book.inquire(clock_ms)

    def settle(self, answer: Answer, clock_ms: int) -> None:
        """Take in what the register answers."""
        self._book.settle(answer, clock_ms)

    def _series(
        self, said: BaseEvent, projected: Dimensions, named: Mapping[str, str]
    ) -> Sequence[str]:
        if said.count is None or not self._plan.exactly:
            return self._segmentation.series(projected)
        if not named:
            return (WHOLE,)
        series = self._segmentation.exactly(named)
        return () if series is None else (series,)
