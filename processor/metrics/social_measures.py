"""What happens to social media accounts: reactions, answers, and followers who come and go."""

from collections.abc import Mapping
from typing import Any, Final

from processor.core.bases import BaseEvent, BasePlan
from processor.metrics.plan import Increments, MeasurePlan, duration_counters

_MS_PER_SECOND: Final = 1000
_FOLLOWERS: Final[Mapping[str, Increments]] = {
    "follow": (("followers.joined", 1),),
    "unfollow": (("followers.left", 1),),
    "followers": (("followers.snapshots", 1),),
}


def _count(values: tuple[Any, ...]) -> Increments:
    action, response_seconds = values
    if action == "response":
        return duration_counters("response", round(response_seconds * _MS_PER_SECOND))
    return _FOLLOWERS.get(action) or ((f"social.{action}", 1),)


def _base(event: Mapping[str, Any]) -> BaseEvent | None:
    account = event.get("account") or ""
    match event["action"]:
        case "follow":
            return BaseEvent(change=1, account=account)
        case "unfollow":
            return BaseEvent(change=-1, account=account)
        case "followers":
            return BaseEvent(count=event["count"], account=account)
    return None


SOCIAL: Final = MeasurePlan(
    "social",
    reads=("action", "response_seconds"),
    count=_count,
    base=BasePlan("followers", _base),
)
"""``social.like`` and so on, ``response.n``, ``.ms`` and squares, ``followers.joined`` and
``.left``, and the base of followers, by account."""
