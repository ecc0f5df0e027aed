"""Customers who join and leave, and the members of the loyalty programme among them."""

from collections import deque
from typing import Final

from processor.simulation.chance import Weighted
from processor.simulation.world import Customer, Event, World

_SNAPSHOT_EVERY_MS: Final = 5 * 60_000
_JOINED: Final = 0.55
BASE_ID: Final = "customer-base"
"""The ``customer_id`` of snapshots, which are about no single customer."""

_ACTION: Final = Weighted(
    {
        "activity": 0.52,
        "reward_issued": 0.22,
        "reward_redeemed": 0.13,
        "enrolled": 0.1,
        "left": 0.03,
    }
)
_FIRST_MEMBERS: Final = 200
_MOST_MEMBERS: Final = 20_000
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
            self._next_snapshot_ms = at_ms + _SNAPSHOT_EVERY_MS
            event = world.event("customer", at_ms)
            event["customer_id"] = BASE_ID
            event["action"] = "snapshot"
            event["count"] = world.people.base
            return event
        if world.chance.hit(_JOINED):
            return self._change("joined", world.people.join(), at_ms)
        return self.leave(at_ms) or self._change("joined", world.people.join(), at_ms)

    def leave(self, at_ms: int, *, struck: bool = False) -> Event | None:
        """Returns somebody's leaving, or ``None`` where nobody leaves.

        Args:
            at_ms: epoch milliseconds.
            struck: only those whom a ``churn-wave`` strikes.
        """
        world = self._world

        def wanted(customer: Customer) -> bool:
            return not struck or world.schedule.strikes("churn-wave", _traits(customer))

        customer = world.people.leave(wanted)
        return None if customer is None else self._change("left", customer, at_ms)

    def _change(self, action: str, customer: Customer, at_ms: int) -> Event:
        event = self._world.event("customer", at_ms)
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
            newcomer = self._world.people.somebody()
            if newcomer.id not in self._ids and len(members) < _MOST_MEMBERS:
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
