"""NPS, CSAT and CES of each customer's latest answer: their other definition.

Which answer is the latest follows from a sample of the customers (`processor.core.sample`): all of
them up to 8192 in a window and segment, else a fair part. The intervals are those of the customers
in the sample, so they hold what it leaves out.
"""

from collections.abc import Callable, Mapping
from typing import Final

from processor.core.estimate import Counts, Estimate
from processor.metrics.latest_measures import lacks_answers, latest_answers
from processor.metrics.survey import ces, csat, nps


def latest_nps(counts: Counts) -> Estimate:
    """Net Promoter Score: promoters less detractors, of the customers by their latest answers.

    A customer's newer answer takes the place of the older ones, of the same window and segment;
    answers without a `customer_id` count each by themselves. Of
    several at one instant the lowest on its scale counts. Scales are those of all answers.

    Up to 8192 customers in a window and segment it is exact. Beyond that it is told from a fair
    sample of 4097 to 8192 of them, and its interval holds the sampling error; `n` is how many
    customers there are, as the sample tells.

    Formula: 100 * (promoters - detractors) / customers who answered
    Source: Reichheld 2003, "The one number you need to grow", Harvard Business Review 81(12);
    interval: Rocks 2016, The American Statistician 70(4).

    >>> counts = {"nps_latest.code2": 3, "nps_latest.code10": 1,  # scores 9 and 3
    ...           "nps_latest.distinct": 4, "nps.9": 4, "nps.3": 1, "nps_latest.n": 5}
    >>> latest_nps(counts).value, latest_nps(counts).n
    (50.0, 4)
    """
    return _latest(counts, "nps", nps)


def latest_csat(counts: Counts) -> Estimate:
    """Customer satisfaction: the share of customers whose latest answer is satisfied.

    A customer's newer answer takes the place of the older ones, of the same window and segment;
    answers without a `customer_id` count each by themselves. Of
    several at one instant the lowest on its scale counts. Scales are those of all answers.

    Up to 8192 customers in a window and segment it is exact. Beyond that it is told from a fair
    sample of 4097 to 8192 of them, and its interval holds the sampling error; `n` is how many
    customers there are, as the sample tells.

    Formula: 100 * satisfied / customers who answered
    Source: the top-box share of customer surveys, e.g. Farris et al. 2010, "Marketing metrics",
    2nd ed., ch. 2; interval: Wilson 1927.

    >>> latest_csat({"csat_latest.code0": 3, "csat_latest.code20": 1,  # 5 and 0 of 5
    ...              "csat_latest.distinct": 4}).value
    75.0
    """
    return _latest(counts, "csat", csat)


def latest_ces(counts: Counts) -> Estimate:
    """Customer Effort Score: the mean of the customers' latest 1-7 answers; higher is easier.

    A customer's newer answer takes the place of the older ones, of the same window and segment;
    answers without a `customer_id` count each by themselves. Of several at one instant the lowest
    counts.

    Up to 8192 customers in a window and segment it is exact. Beyond that it is told from a fair
    sample of 4097 to 8192 of them, and its interval holds the sampling error; `n` is how many
    customers there are, as the sample tells.

    Formula: sum of latest answers / customers who answered
    Source: Dixon, Freeman and Toman 2010, "Stop trying to delight your customers", Harvard
    Business Review 88(7/8), in the 1-7 form of Dixon, Toman and DeLisi 2013, "The effortless
    experience"; interval: Student 1908.

    >>> latest_ces({"ces_latest.code0": 1, "ces_latest.code2": 1,  # 7 and 5
    ...             "ces_latest.distinct": 2}).value
    6.0
    """
    return _latest(counts, "ces", ces)


LATEST: Final[Mapping[str, Callable[[Counts], Estimate]]] = {
    "nps": latest_nps,
    "csat": latest_csat,
    "ces": latest_ces,
}
"""Metric → its definition by each customer's latest answer."""


def _latest(counts: Counts, survey: str, of_all: Callable[[Counts], Estimate]) -> Estimate:
    return of_all(latest_answers(counts, survey))._replace(
        n=counts.get(f"{survey}_latest.distinct", 0),
        lacks=lacks_answers(counts, survey),
    )
