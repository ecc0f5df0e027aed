"""What alert rules see of the processor itself: lag, dead letters, input."""

from collections.abc import Collection
from typing import Any, Final

from processor.alerting.signals import DeadLetterRate, signal_row
from processor.state.live import DEAD_LETTERS, LiveReadings

LOOK_MS: Final = 5_000
"""Between two looks: nothing here changes faster than people act."""


class Signals:
    """Looks at the partitions' progress every few seconds.

    Args:
        live: reads the partitions' progress.
        topics: those that count: partitions of other topics, once configured, are left out.
    """

    def __init__(self, live: LiveReadings, topics: Collection[str]) -> None:
        self._live = live
        self._topics = topics
        self._looked_ms = 0
        self._rate = DeadLetterRate()
        self._events: int | None = None
        self._grew_ms = 0

    async def look(self, now_ms: int) -> list[dict[str, Any]]:
        """The signals in the form of readings; none before it is time for another look.

        Raises:
            redis.exceptions.RedisError: Redis is away or refuses.
        """
        if now_ms - self._looked_ms < LOOK_MS:
            return []
        self._looked_ms = now_ms
        partitions = [p for p in await self._live.partitions() if p.topic in self._topics]
        events = sum(sum(p.stats.get(name, 0) for name in _OUTCOMES) for p in partitions)
        letters = sum(sum(p.stats.get(name, 0) for name in DEAD_LETTERS) for p in partitions)
        if events != self._events:
            self._events, self._grew_ms = events, now_ms
        return [
            signal_row("processor_lag", sum(p.lag for p in partitions)),
            signal_row("processor_dead_letter_rate", self._rate.after(now_ms, events, letters)),
            signal_row("processor_input_age", (now_ms - self._grew_ms) / 1000),
        ]


_OUTCOMES: Final = ("counted", "repeats", *DEAD_LETTERS)
"""Stats that together are all events that were read."""
