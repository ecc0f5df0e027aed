"""Customers who join and leave, and the members of the loyalty programme among them."""

from collections import deque
from typing import Final

from processor.simulation.chance import Weighted
from processor.simulation.world import Customer, Event, World

_SNAPSHOT_EVERY_MS: Final = 60 * 60_000
_JOINED: Final = 0.7
BASE_ID: Final = "customer-base"
"""The ``customer_id`` of snapshots, which are about no single customer."""

_ACTION: Final = Weighted(
    {
        "activity": 0.40,
        "reward_issued": 0.18,
        "reward_redeemed": 0.10,
        "enrolled": 0.30,
        "left": 0.02,
    }
)
_FIRST_MEMBERS: Final = 200
_MOST_MEMBERS: Final = 20_000
_MOST_TAKE_PART: Final = 0.2
"""Share of the base that ever enrols: the programme begins with the simulation, and fills."""

_MOST_REWARDS: Final = 20_000


class Customers:
    """A source of customers joining and leaving, and of snapshots of the whole base."""

    held = 0

    def __init__(self, world: World) -> None:
        self._world = world
        self._next_snapshot_ms = world.start_ms

    def emit(self, at_ms: int) -> Event:
        """Returns what happens to the base at an instant; first of all a snapshot."""
        world = self._world
        if at_ms >= self._next_snapshot_ms:
            # On a grid: with few customer events each snapshot comes late, and must not add up.
            since_ms = (at_ms - world.start_ms) % _SNAPSHOT_EVERY_MS
            self._next_snapshot_ms = at_ms - since_ms + _SNAPSHOT_EVERY_MS
            event = world.event("customer", at_ms)
            event["customer_id"] = BASE_ID
            event["action"] = "snapshot"
            event["count"] = world.people.base
            return event
        if world.chance.hit(_JOINED):
            return _change(world, "joined", world.people.join(world.chance), at_ms)
        customer = world.people.leave(world.chance, lambda _: True)
        if customer is None:
            raise AssertionError("everybody may leave")
        return _change(world, "left", customer, at_ms)


def struck_leaving(world: World, at_ms: int) -> Event | None:
    """Returns the leaving of one whom a ``churn-wave`` strikes; ``None`` where nobody is found.

    Args:
        world: of the wave.
        at_ms: epoch milliseconds.
    """

    def wanted(customer: Customer) -> bool:
        return world.schedule.strikes("churn-wave", _traits(customer))

    customer = world.people.leave(world.chance, wanted)
    return None if customer is None else _change(world, "left", customer, at_ms)


def _change(world: World, action: str, customer: Customer, at_ms: int) -> Event:
    event = world.event("customer", at_ms)
    event["customer_id"] = customer.id
    event["dimensions"] = _traits(customer)
    event["action"] = action
    return event


def _traits(customer: Customer) -> dict[str, str]:
    return {
        "channel": customer.channel,
        "product": customer.product,
        "country": customer.country,
        "plan": customer.plan,
    }


class Loyalty:
    """A source of loyalty programme events; only members act, only what was issued is redeemed."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._members: list[Customer] = []
        self._ids: set[str] = set()
        self._rewards: deque[Customer] = deque(maxlen=_MOST_REWARDS)

    @property
    def held(self) -> int:
        """How many members and open rewards are known."""
        return len(self._members) + len(self._rewards)

    def emit(self, at_ms: int) -> Event:
        """Returns what happens in the programme at an instant, epoch milliseconds."""
        chance, members = self._world.chance, self._members
        action = chance.pick(_ACTION)
        if action == "enrolled" or len(members) < _FIRST_MEMBERS:
            newcomer = self._world.somebody()
            room = min(_MOST_MEMBERS, self._world.people.base * _MOST_TAKE_PART)
            if newcomer.id not in self._ids and len(members) < room:
                return self._enrol(newcomer, at_ms)
            action = "activity"
        if action == "reward_redeemed" and self._rewards:
            return self._event(action, self._rewards.popleft(), at_ms)
        place = chance.below(len(members))
        member = members[place]
        if action == "left":
            members[place] = members[-1]
            members.pop()
            self._ids.remove(member.id)
            return self._event("left", member, at_ms)
        if action == "reward_issued":
            self._rewards.append(member)
            return self._event(action, member, at_ms)
        return self._event("activity", member, at_ms)

    def _enrol(self, newcomer: Customer, at_ms: int) -> Event:
        self._members.append(newcomer)
        self._ids.add(newcomer.id)
        return self._event("enrolled", newcomer, at_ms)

    def _event(self, action: str, member: Customer, at_ms: int) -> Event:
        event = self._world.event("loyalty", at_ms)
        event["customer_id"] = member.id
        event["dimensions"] = {"country": member.country, "plan": member.plan}
        event["action"] = action
        return event
