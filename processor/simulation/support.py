"""Support tickets: opened, answered, resolved.

The desk does not begin empty: tickets opened before the simulation's start are answered and
resolved in it, so that response and resolution times are what they will be from the first
minute on, however short the run.
"""

from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Final

from processor.simulation.chance import Weighted, lognormal
from processor.simulation.world import Customer, Event, World

_FIRST_RESPONSE_MS: Final = lognormal(median=6 * 60_000, sigma=0.9)
_WORK_MS: Final = lognormal(median=28 * 60_000, sigma=0.8)
"""From the first response to the resolution."""

_TEAM: Final = Weighted({"frontline": 0.6, "technical": 0.25, "billing": 0.15})
_SLOWER: Final = 5.0

MOST_OPEN: Final = 50_000
"""Tickets held at most; beyond it the next one due is handled early."""


@dataclass(slots=True)
class _Ticket:
    """One ticket, from its opening on."""

    ticket_id: str
    opened_ms: int
    customer: Customer
    dimensions: dict[str, str]
    postponed: bool = False


class Support:
    """A source of support ticket events."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._due: list[tuple[float, int, str, _Ticket]] = []
        self._number = 0

    @property
    def held(self) -> int:
        """How many tickets wait for their next step."""
        return len(self._due)

    def emit(self, at_ms: int) -> Event:
        """Returns what happens to a ticket at an instant, epoch milliseconds."""
        due = self._due
        while due and (due[0][0] <= at_ms or len(due) >= MOST_OPEN):
            _, _, action, ticket = heappop(due)
            if self._postpone(action, ticket, at_ms):
                continue
            if action == "first_response":
                self._wait("resolved", ticket, at_ms + self._world.chance.quantile(_WORK_MS))
            return self._event(action, ticket, at_ms)
        return self._from_before(at_ms) or self._open(at_ms)

    def _postpone(self, action: str, ticket: _Ticket, at_ms: int) -> bool:
        """Puts off a step while support is slow; once, so that no ticket waits for ever."""
        if ticket.postponed or not self._slow(ticket):
            return False
        ticket.postponed = True
        self._wait(action, ticket, ticket.opened_ms + (at_ms - ticket.opened_ms) * _SLOWER)
        return True

    def _slow(self, ticket: _Ticket) -> bool:
        return self._world.schedule.strikes("slow-support", ticket.dimensions)

    def _from_before(self, at_ms: int) -> Event | None:
        """Returns a step of a ticket from before the start, or ``None`` if one is to be opened.

        Of a steady desk's events a third each are of the three actions, and those whose delay
        reaches back past the start are of tickets that the run did not open.
        """
        chance = self._world.chance
        ticket = self._ticket(at_ms)
        while True:
            share = chance.random() * 3
            if share < 1:
                return None
            delay_ms = chance.quantile(_FIRST_RESPONSE_MS)
            action = "first_response"
            if share < 2:  # noqa: PLR2004 - the second of the thirds
                action = "resolved"
                delay_ms += chance.quantile(_WORK_MS)
            if self._slow(ticket):
                delay_ms *= _SLOWER
            if delay_ms > at_ms - self._world.start_ms:
                ticket.opened_ms = int(at_ms - delay_ms)
                return self._event(action, ticket, at_ms)

    def _open(self, at_ms: int) -> Event:
        ticket = self._ticket(at_ms)
        delay_ms = self._world.chance.quantile(_FIRST_RESPONSE_MS)
        self._wait("first_response", ticket, at_ms + delay_ms)
        return self._event("opened", ticket, at_ms)

    def _ticket(self, opened_ms: int) -> _Ticket:
        world = self._world
        customer = world.somebody()
        dimensions = world.dimensions(customer, world.channel_of(customer))
        dimensions["team"] = world.chance.pick(_TEAM)
        return _Ticket(world.chance.uuid(), opened_ms, customer, dimensions)

    def _wait(self, action: str, ticket: _Ticket, due_ms: float) -> None:
        self._number += 1  # the earlier of two that are due at once
        heappush(self._due, (due_ms, self._number, action, ticket))

    def _event(self, action: str, ticket: _Ticket, at_ms: int) -> Event:
        event = self._world.event("support_ticket", at_ms)
        event["customer_id"] = ticket.customer.id
        # A copy, because each event belongs to whoever takes it.
        event["dimensions"] = ticket.dimensions.copy()
        event["ticket_id"] = ticket.ticket_id
        event["action"] = action
        if action != "opened":
            event["opened_at"] = self._world.stamp(ticket.opened_ms)
        return event
