"""A replay in one call, for notebooks and tests."""

import os
from collections.abc import Iterable, Mapping, Sequence

from processor.core.config import (
    DEFAULT_SEGMENT_SETS,
    DEFAULT_WINDOWS,
    EngineConfig,
    SurveyResponses,
)
from processor.core.panes import MINUTE_MS, parse_duration_ms, plan_windows
from processor.metrics.catalogue import configured
from processor.metrics.present import Row
from processor.metrics.registry import Metric
from processor.replay.player import replay
from processor.replay.selection import Selection
from schemas.events import EventType
from schemas.timestamps import parse_rfc3339


def replay_log(
    *paths: str | os.PathLike[str],
    windows: Iterable[str] = DEFAULT_WINDOWS,
    by: Sequence[Sequence[str]] = DEFAULT_SEGMENT_SETS,
    every: str | None = None,
    since: str | None = None,
    until: str | None = None,
    where: Mapping[str, str] | None = None,
    types: Iterable[str] = (),
    now: str | None = None,
    lateness_ms: int = 2 * MINUTE_MS,
    survey_responses: SurveyResponses = "all_responses",
    metrics: Mapping[str, Metric] | None = None,
) -> list[Row]:
    """The readings of event logs, as dictionaries in the contract's order.

    Args:
        paths: event logs: `.jsonl`, `.jsonl.gz`, `.jsonl.zst`, or `-` for standard input.
        windows: such as `1h` and `24h`.
        by: sets of dimensions to break readings down by; the whole is always there.
        every: event time between readings, such as `10s`; without it only those at the end.
        since: the earliest `occurred_at`, RFC 3339.
        until: the end of `occurred_at`, not included.
        where: dimension → value that events must have.
        types: event types that take part; all where there are none.
        now: the time that events may not be far ahead of, RFC 3339; the clock where left out.
        lateness_ms: how late an event may be.
        survey_responses: whether NPS, CSAT and CES are of all answers or, `latest_per_customer`, of
            each customer's latest.
        metrics: the catalogue in use, under the same setting; all there are where left out.

    Raises:
        LogError: a log cannot be read to its end.
        ValueError: an argument that is no duration, date-time or event type.

    >>> import json, tempfile
    >>> scores = [10] * 9 + [7] * 7 + [3] * 4
    >>> with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as log:
    ...     for i, score in enumerate(scores):
    ...         event = {"type": "survey_response", "event_id": str(i), "survey": "nps",
    ...                  "score": score, "occurred_at": f"2026-03-01T12:00:{i:02}Z"}
    ...         print(json.dumps(event), file=log, flush=True)
    ...     rows = replay_log(log.name, windows=["1h"])
    >>> [(row["value"], row["n"]) for row in rows if row["metric"] == "nps"]
    [(25.0, 20)]
    """
    selection = Selection(
        from_ms=None if since is None else parse_rfc3339(since),
        to_ms=None if until is None else parse_rfc3339(until),
        where=where or {},
        types=frozenset(map(EventType, types)),
    )
    config = EngineConfig(
        windows=plan_windows(windows),
        segment_sets=by,
        lateness_ms=lateness_ms,
        survey_responses=survey_responses,
    )
    if metrics is None:
        metrics = configured(survey_responses=survey_responses)
    return list(
        replay(
            paths,
            config=config,
            metrics=metrics,
            every_ms=None if every is None else parse_duration_ms(every),
            final=every is None,
            now_ms=None if now is None else parse_rfc3339(now),
            selection=selection,
        )
    )
