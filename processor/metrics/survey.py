"""What customers answer: NPS, CSAT, CES, loyalty index and emotion.

Measures are histograms of the answers, so that a definition can change without recounting.
"""

from collections.abc import Iterable
from itertools import repeat
from typing import Final

from processor.core.estimate import Counts, Estimate
from processor.metrics.estimates import mean, net_points, percent
from processor.metrics.registry import metric
from schemas.readings import Unit

_PROMOTERS: Final = ("nps.9", "nps.10", "nps5.5")
_PASSIVES: Final = ("nps.7", "nps.8", "nps5.4")
_DETRACTORS: Final = (*(f"nps.{score}" for score in range(7)), "nps5.1", "nps5.2", "nps5.3")

_SATISFIED: Final = (
    *(f"csat5.{score}" for score in range(4, 6)),
    *(f"csat7.{score}" for score in range(6, 8)),
    *(f"csat10.{score}" for score in range(8, 11)),
)
_NOT_SATISFIED: Final = (
    *(f"csat5.{score}" for score in range(4)),
    *(f"csat7.{score}" for score in range(1, 6)),
    *(f"csat10.{score}" for score in range(1, 8)),
)

_CES: Final = tuple((score, f"ces.{score}") for score in range(1, 8))
_CLI_QUESTIONS: Final = 3


def _sum(counts: Counts, measures: Iterable[str]) -> int:
    return sum(map(counts.get, measures, repeat(0)))


@metric(unit=Unit.POINTS, event_types=("survey_response",), interval="adj. Wald")
def nps(counts: Counts) -> Estimate:
    """Net Promoter Score: promoters less detractors, of all who answered.

    Asked 0-10, promoters are 9-10, passives 7-8, detractors 0-6; asked 1-5, they are 5, 4 and
    1-3. Answers on both scales are pooled.

    With `engine.survey_responses = "latest_per_customer"` it is of the customers who answered in
    the window and segment, each by the latest answer; answers without a `customer_id` count each by
    themselves. That is exact up to 8192 customers, told from a sample of them beyond, and then
    within an interval that holds the sampling error. Of all answers, the default, it is always
    exact.

    Formula: 100 * (promoters - detractors) / answers
    Source: Reichheld 2003, "The one number you need to grow", Harvard Business Review 81(12);
    interval: Rocks 2016, The American Statistician 70(4).

    >>> nps({"nps.9": 50, "nps.10": 40, "nps.7": 70, "nps.3": 40}).value
    25.0
    """
    promoters, detractors = _sum(counts, _PROMOTERS), _sum(counts, _DETRACTORS)
    return net_points(promoters, detractors, promoters + detractors + _sum(counts, _PASSIVES))


@metric(unit=Unit.PERCENT, event_types=("survey_response",), interval="Wilson")
def csat(counts: Counts) -> Estimate:
    """Customer satisfaction: the share of answers that are satisfied.

    Satisfied is 4 and up of 5, 6 and up of 7, 8 and up of 10 ("top two", and top three of 10);
    3 of 5 is neutral, which is not satisfied. Answers on all scales are pooled. With
    `engine.survey_responses = "latest_per_customer"` each customer counts once in a window and
    segment, by the latest answer: see `nps`.

    Formula: 100 * satisfied / answers
    Source: the top-box share of customer surveys, e.g. Farris et al. 2010, "Marketing metrics",
    2nd ed., ch. 2; interval: Wilson 1927.

    >>> csat({"csat5.5": 6, "csat5.4": 3, "csat5.3": 1}).value
    90.0
    """
    satisfied = _sum(counts, _SATISFIED)
    return percent(satisfied, satisfied + _sum(counts, _NOT_SATISFIED))


@metric(unit=Unit.SCORE, event_types=("survey_response",), interval="mean")
def ces(counts: Counts) -> Estimate:
    """Customer Effort Score: the mean of the 1-7 answers; higher is easier.

    With `engine.survey_responses = "latest_per_customer"` each customer counts once in a window and
    segment, by the latest answer: see `nps`.

    Formula: sum of answers / answers
    Source: Dixon, Freeman and Toman 2010, "Stop trying to delight your customers", Harvard
    Business Review 88(7/8), in the 1-7 form of Dixon, Toman and DeLisi 2013, "The effortless
    experience"; interval: Student 1908.

    >>> ces({"ces.7": 1, "ces.6": 1, "ces.5": 1, "ces.2": 1}).value
    5.0
    """
    histogram = [(score, counts.get(measure, 0)) for score, measure in _CES]
    return mean(
        total=sum(score * count for score, count in histogram),
        total_of_squares=sum(score * score * count for score, count in histogram),
        n=sum(count for _, count in histogram),
        lowest=1.0,
        highest=7.0,
    )


@metric(unit=Unit.SCORE, event_types=("survey_response",), interval="mean")
def cli(counts: Counts) -> Estimate:
    """Customer Loyalty Index: would recommend, buy again, and try other products, 1-6 each.

    An answer is the mean of its three questions, the metric the mean of the answers. Its interval
    is that of the answers: the three questions of one person are not independent.

    Formula: sum of all three questions' answers / (3 * answers)
    Source: the three-question loyalty index of survey practice; compare Hayes 2008, "Measuring
    customer satisfaction and loyalty", 3rd ed.; interval: Student 1908.

    >>> cli({"cli.n": 2, "cli.sum": 27, "cli.sumsq": 365}).value  # sums 14 and 13
    4.5
    """
    return mean(
        total=counts.get("cli.sum", 0),
        total_of_squares=counts.get("cli.sumsq", 0),
        n=counts.get("cli.n", 0),
        per=_CLI_QUESTIONS,
        lowest=1.0,
        highest=6.0,
    )


@metric(unit=Unit.POINTS, event_types=("survey_response",), interval="adj. Wald")
def net_emotional_value(counts: Counts) -> Estimate:
    """Net Emotional Value: positive less negative emotions, of all that were named.

    Formula: 100 * (positive - negative) / answers
    Source: Shaw 2007, "The DNA of customer experience: how emotions drive value", as a share of
    answers; interval: Rocks 2016, The American Statistician 70(4).

    >>> net_emotional_value({"emotion.positive": 5, "emotion.neutral": 4, "emotion.negative": 1}).n
    10
    """
    positive, negative = counts.get("emotion.positive", 0), counts.get("emotion.negative", 0)
    return net_points(positive, negative, positive + negative + counts.get("emotion.neutral", 0))
