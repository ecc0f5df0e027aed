"""The engine's settings: values only, no files and no environment."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from processor.core.panes import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    Tier,
    Window,
    plan_windows,
    tiers_of,
)

DEFAULT_WINDOWS = ("1m", "5m", "1h", "24h", "7d", "30d")
DEFAULT_SEGMENT_SETS = (("channel",), ("product",))

SurveyResponses = Literal["all_responses", "latest_per_customer"]
"""Which answers NPS, CSAT and CES are of: all, or each customer's latest in the window."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig:
    """What the engine counts by, and what it refuses.

    Attributes:
        windows: ascending, see :func:`~processor.core.panes.plan_windows`.
        segment_sets: dimension sets to aggregate by, beside the whole.
        segment_cap: the most segments one set may have.
        lateness_ms: how far the watermark follows the latest event.
        dedup_horizon_ms: how long an event id is remembered, in event time.
        dedup_max_ids: the most ids held for one partition.
        future_skew_ms: how far ahead of now an event may be.
        max_record_bytes: larger records are refused unread.
        session_timeout_ms: inactivity that closes a session.
        session_longest_ms: the longest a session lasts.
        customer_ttl_ms: how long after the last order a customer is remembered, in event time.
        customers_max: about the most customers remembered of one partition.
        base_detail_ms: how late a snapshot of a base may come, behind the slowest partition, to be
            exact still: so long every joining and leaving is kept by its instant.
        survey_responses: whether it is observed which answer is a customer's latest.
        identity_key: key of the hashes that stand for session and customer ids in the store.
    """

    windows: tuple[Window, ...] = field(default_factory=lambda: plan_windows(DEFAULT_WINDOWS))
    segment_sets: Sequence[Sequence[str]] = DEFAULT_SEGMENT_SETS
    segment_cap: int = 1000
    lateness_ms: int = 2 * MINUTE_MS
    dedup_horizon_ms: int = 10 * MINUTE_MS
    dedup_max_ids: int = 2_000_000
    future_skew_ms: int = 5 * MINUTE_MS
    max_record_bytes: int = 64 * 1024
    session_timeout_ms: int = 30 * MINUTE_MS
    session_longest_ms: int = DAY_MS
    customer_ttl_ms: int = 400 * DAY_MS
    customers_max: int = 5_000_000
    base_detail_ms: int = 2 * HOUR_MS
    survey_responses: SurveyResponses = "all_responses"
    identity_key: bytes = b""

    @property
    def tiers(self) -> tuple[Tier, ...]:
        """The tiers that the windows need, finest first."""
        return tiers_of(self.windows)

    @property
    def too_late_after_ms(self) -> int:
        """An event older than this, against its partition's clock, is too late for any window.

        Never less than the allowed lateness: what is within that is on time.
        """
        return max(self.windows[-1].size_ms, self.lateness_ms)
