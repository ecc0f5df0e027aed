"""Incidents that bring events of their own, on top of what would have happened anyhow.

Their draws are a stream of their own, so the events of a wave come beside those of the run without
it, and displace none.
"""

from collections.abc import Callable
from typing import NamedTuple

from processor.simulation.world import Event, World


class Wave(NamedTuple):
    """One such incident.

    Attributes:
        incident: its name.
        share: how many events it adds for each event of the stream, at most 1.
        emit: makes one, in the wave's world at epoch milliseconds; ``None`` if it strikes nothing.
    """

    incident: str
    share: float
    emit: Callable[[World, int], Event | None]

    def after(self, world: World, at_ms: int) -> Event | None:
        """Returns what comes on top after an event of the stream: usually nothing."""
        if world.schedule.on(self.incident) and world.chance.hit(self.share):
            return self.emit(world, at_ms)
        return None
