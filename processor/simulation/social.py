"""The company's social accounts: followers, stories, mentions and how fast they are answered."""

from typing import Final

from processor.simulation.chance import Weighted, lognormal
from processor.simulation.world import Event, World

_ACCOUNTS: Final = {"@acme": "instagram", "@acme_support": "x", "@acme_jp": "line"}
_ACCOUNT: Final = Weighted({"@acme": 0.6, "@acme_support": 0.25, "@acme_jp": 0.15})
_FIRST_FOLLOWERS: Final = {"@acme": 182_400, "@acme_support": 23_150, "@acme_jp": 41_780}
"""Of a base of 100,000 customers or fewer; a larger one has more."""

_FOLLOWED_BASE: Final = 100_000
_ACTION: Final = Weighted(
    {
        "like": 0.383,
        "story_view": 0.18,
        "story_completed": 0.13,
        "comment": 0.07,
        "share": 0.05,
        "mention": 0.05,
        "save": 0.04,
        "post_click": 0.04,
        "follow": 0.02,
        "unfollow": 0.012,
        "response": 0.02,
        "conversion": 0.005,
    }
)
_OUTCRY: Final = Weighted({"mention": 0.55, "comment": 0.2, "unfollow": 0.25})
_RESPONSE_S: Final = lognormal(median=1_400, sigma=0.9)
_NO_ACCOUNT: Final = 0.03
_SNAPSHOT_EVERY_MS: Final = 60 * 60_000


class Social:
    """A source of social events; a story is completed only after it was viewed."""

    held = 0

    def __init__(self, world: World) -> None:
        self._world = world
        base = max(_FOLLOWED_BASE, world.people.base)
        self._followers = {
            account: count * base // _FOLLOWED_BASE for account, count in _FIRST_FOLLOWERS.items()
        }
        self._next_snapshot_ms = dict.fromkeys(_ACCOUNTS, world.start_ms)
        self._viewing = dict.fromkeys(_ACCOUNTS, 0)

    def emit(self, at_ms: int) -> Event:
        """Returns what happens on an account at an instant; first of all its followers."""
        chance = self._world.chance
        account = chance.pick(_ACCOUNT)
        event = _event(self._world, account, at_ms)
        if at_ms >= self._next_snapshot_ms[account]:
            self._next_snapshot_ms[account] = at_ms + _SNAPSHOT_EVERY_MS
            event["account"] = account
            event["action"] = "followers"
            event["count"] = self._followers[account]
            return event
        action = self._count(account, chance.pick(_ACTION))
        # Followers are counted by account: those events must name it.
        if action in {"follow", "unfollow"} or not chance.hit(_NO_ACCOUNT):
            event["account"] = account
        event["action"] = action
        if action == "response":
            seconds = chance.quantile(_RESPONSE_S)
            event["response_seconds"] = int(seconds) if chance.hit(0.5) else round(seconds, 1)
        return event

    def outcry(self, world: World, at_ms: int) -> Event | None:
        """Returns what somebody does who heard ``bad-press``; ``None`` where it does not strike.

        Args:
            world: of the wave.
            at_ms: epoch milliseconds.
        """
        account = world.chance.pick(_ACCOUNT)
        event = _event(world, account, at_ms)
        if not world.schedule.strikes("bad-press", event["dimensions"]):
            return None
        event["account"] = account
        event["action"] = self._count(account, world.chance.pick(_OUTCRY))
        return event

    def _count(self, account: str, action: str) -> str:
        """Returns the action, or one that is possible instead."""
        if action == "follow":
            self._followers[account] += 1
        elif action == "unfollow":
            self._followers[account] = max(0, self._followers[account] - 1)
        elif action == "story_view":
            self._viewing[account] += 1
        elif action == "story_completed":
            if not self._viewing[account]:
                return "like"
            self._viewing[account] -= 1
        return action


def _event(world: World, account: str, at_ms: int) -> Event:
    event = world.event("social", at_ms)
    event["dimensions"] = {"channel": "social", "platform": _ACCOUNTS[account]}
    return event
