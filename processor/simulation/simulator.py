"""One seeded stream of events of every type."""

import math
from collections.abc import Iterator, Mapping, Sequence
from heapq import heappop, heappush
from types import MappingProxyType
from typing import Final, Protocol

from processor.simulation.audience import Customers, Loyalty, struck_leaving
from processor.simulation.chance import Chance, Weighted
from processor.simulation.clock import Arrivals, Timestamps
from processor.simulation.commerce import Marketing, Purchases
from processor.simulation.faults import Faults
from processor.simulation.incidents import Incident, Schedule
from processor.simulation.sessions import Sessions
from processor.simulation.social import Social
from processor.simulation.support import Support
from processor.simulation.surveys import Surveys
from processor.simulation.waves import Wave
from processor.simulation.world import Event, People, World

DEFAULT_MIX: Final[Mapping[str, float]] = MappingProxyType(
    {
        "session": 0.624,
        "survey_response": 0.17,
        "purchase": 0.07,
        "support_ticket": 0.05,
        "social": 0.05,
        "loyalty": 0.025,
        "marketing_spend": 0.01,
        "customer": 0.001,
    }
)
"""Share of the events that each type has, unless told."""

_FIRST_SOURCE_STREAM: Final = 16
"""Of a seed's streams; below it are those of arrivals, faults, jitter, people and waves."""

_MOST_ADDED: Final = 0.5
"""Events that a wave adds at most, for each of the stream."""


class _Source(Protocol):
    """Makes the events of one type, one at a time, at times that never go back."""

    @property
    def held(self) -> int:
        """How many things are remembered."""

    def emit(self, at_ms: int) -> Event | None:
        """Returns the event of an instant, or ``None`` if there is none after all."""


class Simulator:
    """A company whose customers do believable things, the same for the same arguments.

    Iterate it for its events. What it remembers is bounded, however long it runs.

    Args:
        seed: any integer.
        rate: mean events per second of event time, above zero.
        start_ms: epoch milliseconds of the start.
        duration_s: seconds of event time, or ``None`` for no end.
        incidents: what goes wrong.
        mix: event type → weight; types left out do not occur. Default: :data:`DEFAULT_MIX`.
        daily_rhythm: whether nights are quieter than days.

    Raises:
        ValueError: a rate or duration that is not above zero, or a mix of unknown types.
    """

    def __init__(
        self,
        *,
        seed: int,
        rate: float,
        start_ms: int,
        duration_s: float | None = None,
        incidents: Sequence[Incident] = (),
        mix: Mapping[str, float] | None = None,
        daily_rhythm: bool = True,
    ) -> None:
        if not (math.isfinite(rate) and rate > 0):
            raise ValueError(f"rate must be above 0 events per second: {rate}")
        if duration_s is not None and not (math.isfinite(duration_s) and duration_s > 0):
            raise ValueError(f"duration must be above 0 s: {duration_s}")
        shares = DEFAULT_MIX if mix is None else mix
        unknown = sorted(set(shares) - set(DEFAULT_MIX))
        if unknown:
            raise ValueError(
                f"unknown event types in the mix: {', '.join(unknown)}; "
                f"there are {', '.join(DEFAULT_MIX)}"
            )
        self._type = Weighted(shares)
        self._end_ms = math.inf if duration_s is None else start_ms + duration_s * 1000
        self._chance = chance = Chance(seed)
        self._schedule = Schedule(incidents, start_ms)
        self._arrivals = Arrivals(
            chance,
            rate=rate,
            start_ms=start_ms,
            duration_s=duration_s,
            daily_rhythm=daily_rhythm,
        )
        self._faults = Faults(Chance(seed, stream=1), self._schedule)
        people, stamp = People(Chance(seed, stream=3), rate), Timestamps()

        def world(stream: int) -> World:
            return World(
                chance=Chance(seed, stream),
                schedule=self._schedule,
                people=people,
                stamp=stamp,
                start_ms=start_ms,
            )

        worlds = {
            name: world(_FIRST_SOURCE_STREAM + number) for number, name in enumerate(DEFAULT_MIX)
        }
        sessions = Sessions(worlds["session"])
        purchases = Purchases(worlds["purchase"], sessions.bought)
        social = Social(worlds["social"])
        self._sources: dict[str, _Source] = {
            "session": sessions,
            "survey_response": Surveys(worlds["survey_response"]),
            "purchase": purchases,
            "support_ticket": Support(worlds["support_ticket"]),
            "social": social,
            "loyalty": Loyalty(worlds["loyalty"]),
            "marketing_spend": Marketing(worlds["marketing_spend"]),
            "customer": Customers(worlds["customer"]),
        }

        def added(kind: str, times: float) -> float:
            return min(_MOST_ADDED, times * shares.get(kind, 0.0) / math.fsum(shares.values()))

        waves = (
            Wave("churn-wave", added("customer", 40.0), struck_leaving),
            Wave("refund-wave", added("purchase", 0.4), purchases.struck_refund),
            Wave("bad-press", added("social", 0.6), social.outcry),
        )
        self._waves = tuple((world(4 + number), wave) for number, wave in enumerate(waves))

    @property
    def held(self) -> int:
        """How many open sessions, tickets, orders and the like are remembered."""
        return self._faults.held + sum(source.held for source in self._sources.values())

    def __iter__(self) -> Iterator[Event]:
        """Yields the events in the order of their times; repeats come after their originals."""
        return (event for _, event in self.timed())

    def timed(self) -> Iterator[tuple[int, Event]]:
        """Yields the events with the epoch milliseconds at which they come."""
        while True:
            arrival_ms = self._arrivals.next_ms()
            if arrival_ms >= self._end_ms:
                return
            at_ms = int(arrival_ms)
            self._schedule.advance(at_ms)
            event = self._sources[self._chance.pick(self._type)].emit(at_ms)
            if event is not None:
                yield at_ms, event
                for fault in self._faults.after(event):
                    yield at_ms, fault
            for world, wave in self._waves:
                added = wave.after(world, at_ms)
                if added is not None:
                    yield at_ms, added


def _disordered(
    timed: Iterator[tuple[int, Event]], chance: Chance, jitter_s: float
) -> Iterator[Event]:
    """Yields events as they arrive when each is on its way for up to ``jitter_s`` seconds."""
    jitter_ms = jitter_s * 1000
    travelling: list[tuple[float, int, Event]] = []
    for number, (at_ms, event) in enumerate(timed):
        while travelling and travelling[0][0] <= at_ms:
            yield heappop(travelling)[2]
        # The number decides between two that arrive at once: events do not compare.
        heappush(travelling, (at_ms + jitter_ms * chance.random(), number, event))
    while travelling:
        yield heappop(travelling)[2]


def simulate(
    *,
    seed: int,
    rate: float,
    start_ms: int,
    duration_s: float | None,
    incidents: Sequence[Incident] = (),
    mix: Mapping[str, float] | None = None,
    jitter_s: float = 0.0,
    daily_rhythm: bool = True,
) -> Iterator[Event]:
    """Yields believable events of every type, the same for the same arguments.

    Args:
        seed: any integer.
        rate: mean events per second of event time, above zero, over the duration (over the day
            where there is no end). Incidents that add or withhold events change it.
        start_ms: epoch milliseconds of the start.
        duration_s: seconds of event time, or ``None`` for no end.
        incidents: what goes wrong, see :func:`parse_incident`.
        mix: event type → weight; types left out do not occur. Default: :data:`DEFAULT_MIX`.
        jitter_s: how late an event may come at most, so that the order is not that of the times;
            0 for events in the order of their times.
        daily_rhythm: whether nights are quieter than days.

    Raises:
        ValueError: an argument out of range.
    """
    if not (math.isfinite(jitter_s) and jitter_s >= 0):
        raise ValueError(f"jitter must be 0 s or more: {jitter_s}")
    simulator = Simulator(
        seed=seed,
        rate=rate,
        start_ms=start_ms,
        duration_s=duration_s,
        incidents=incidents,
        mix=mix,
        daily_rhythm=daily_rhythm,
    )
    if jitter_s == 0:
        return iter(simulator)
    return _disordered(simulator.timed(), Chance(seed, stream=2), jitter_s)
