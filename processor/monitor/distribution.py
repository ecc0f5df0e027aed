"""How the answers of a current window are spread over the scores, from stored panes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from processor.core.config import SurveyResponses
from processor.core.past import PastPanes, PastWindows
from processor.metrics.asked import Asked, Watching
from processor.metrics.distribution import SURVEYS, ScoreCount, score_counts
from processor.metrics.past import Series
from processor.monitor.filters import FilterError
from processor.monitor.history import History, Query
from schemas.timestamps import format_rfc3339


@dataclass(frozen=True, slots=True)
class Spread:
    """How answers are spread.

    Attributes:
        series: whose answers.
        segment: dimension values.
        end_ms: where the window ends.
        incomplete: whether the window may lack events.
        scores: by scale and score.
    """

    series: Series
    segment: Mapping[str, str]
    end_ms: int
    incomplete: bool
    scores: list[ScoreCount]

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        start_ms = max(0, self.end_ms - self.series.window.size_ms)
        return {
            "metric": self.series.metric.name,
            "window": self.series.window.name,
            "segment": dict(self.segment),
            "window_start": format_rfc3339(start_ms),
            "window_end": format_rfc3339(self.end_ms),
            "n": sum(one.n for one in self.scores),
            "incomplete": self.incomplete,
            "scores": [one._asdict() for one in self.scores],
        }


async def distribution(history: History, query: Query, survey_responses: SurveyResponses) -> Spread:
    """How the answers of a current window are spread over the scores.

    Raises:
        FilterError: the query cannot be meant, or the metric has no scores.
        redis.exceptions.RedisError: Redis is away or refuses.
    """
    series, segment = history.subject(query)
    survey, window = series.metric.name, series.window
    if survey not in SURVEYS:
        raise FilterError(
            "metric", f"{survey} has no scores; those of {', '.join(SURVEYS)} are known"
        )
    partitions, clock_ms, now_ms = await history.latest()
    end_ms = window.end(now_ms)
    asked = Asked()
    score_counts(Watching({}, asked), survey, survey_responses)
    read = history.read(series, partitions, range(end_ms, end_ms + 1), clock_ms)
    panes = await read.panes(asked.needs()) if clock_ms else PastPanes()
    counts = PastWindows(window, series.key, panes).at(end_ms)
    whole_from_ms = await history.whole_from_ms(series.metric, partitions)
    is_incomplete = whole_from_ms > max(0, end_ms - window.size_ms)
    scores = score_counts(counts, survey, survey_responses)
    return Spread(series, segment, end_ms, is_incomplete, scores)
