"""How answers are spread over the scores of a survey."""

from typing import Final, NamedTuple

from processor.core.config import SurveyResponses
from processor.core.estimate import Counts
from processor.metrics.latest_measures import SCALES, latest_answers

SURVEYS: Final = tuple(SCALES)
"""The metrics that have scores."""


class ScoreCount(NamedTuple):
    """How many gave this score."""

    score: int
    scale: int
    n: int


def score_counts(counts: Counts, survey: str, responses: SurveyResponses) -> list[ScoreCount]:
    """Every score of the survey's usual scale, and of others that answers were on.

    Args:
        counts: of a window; with the samples, where each customer's latest answer counts.
        survey: one of `SURVEYS`.
        responses: which answers.

    >>> answered = {"nps.9": 2, "nps5.1": 1}
    >>> found = score_counts(answered, "nps", "all_responses")
    >>> len(found), found[9], found[11]
    (16, ScoreCount(score=9, scale=10, n=2), ScoreCount(score=1, scale=5, n=1))
    """
    latest = responses == "latest_per_customer"
    answers = latest_answers(counts, survey) if latest else counts
    found: list[ScoreCount] = []
    for place, (family, low, high) in enumerate(SCALES[survey]):
        of_scale = [
            ScoreCount(score, high, answers.get(f"{family}.{score}", 0))
            for score in range(low, high + 1)
        ]
        if not place or any(one.n for one in of_scale):
            found += of_scale
    return found
