"""Whether a metric is better when it is higher or lower; where that depends, neither."""

from collections.abc import Mapping
from typing import Final, Literal

from processor.settings import Target

Better = Literal["higher", "lower"]

_HIGHER: Final = frozenset({
    "nps", "csat", "ces", "cli", "net_emotional_value", "ctr", "conversion_rate", "customers",
    "retention_rate", "orders", "revenue", "average_purchase_value", "buying_customers",
    "purchase_frequency", "customer_value", "customer_lifespan", "clv", "repeat_purchase_rate",
    "repeat_to_one_time_ratio", "upsell_rate", "loyalty_participation_rate", "redemption_rate",
    "active_engagement_rate", "followers", "follower_growth_rate", "social_likes", "social_shares",
    "social_saves", "social_post_clicks", "social_conversions", "story_retention_rate",
})  # fmt: skip
_LOWER: Final = frozenset({
    "bounce_rate", "cart_abandonment_rate", "churn_rate", "cac", "refunds", "social_response_time",
    "avg_resolution_time", "avg_resolution_time_p50", "avg_resolution_time_p90",
    "avg_first_response_time", "avg_first_response_time_p50", "avg_first_response_time_p90",
})  # fmt: skip


def better_of(metric: str, targets: Mapping[str, Target]) -> Better | None:
    """Which way is better; what a target says wins.

    Examples:
        >>> better_of("bounce_rate", {})
        'lower'
    """
    if metric in targets:
        return targets[metric].better
    if metric in _HIGHER:
        return "higher"
    return "lower" if metric in _LOWER else None
