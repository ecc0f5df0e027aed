"""The finished catalogue: every metric by name, in the order in which people read them.

>>> get("nps").interval
'adj. Wald'
>>> get("npss")
Traceback (most recent call last):
processor.metrics.catalogue.UnknownMetric: no metric 'npss'; did you mean 'nps'?
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from types import MappingProxyType
from typing import Final, Literal, get_args

from processor.core.config import SurveyResponses
from processor.metrics import (
    buyers,
    commerce,
    customers,
    engagement,
    loyalty,
    social,
    support,
    survey,
)
from processor.metrics.latest import LATEST
from processor.metrics.own_definition import OwnMetric
from processor.metrics.own_modules import require_free_names
from processor.metrics.own_plan import FAILURES, failures_of
from processor.metrics.registry import Metric, metric, money_metric, registered_by

__all__ = [
    "CATALOGUE",
    "BounceMode",
    "Metric",
    "UnknownMetric",
    "configured",
    "get",
    "metric",
    "money_metric",
]

_MODULES: Final = (survey, engagement, support, customers, commerce, buyers, loyalty, social)
"""Every module that defines metrics, in the catalogue's order."""

CATALOGUE: Final[Mapping[str, Metric]] = MappingProxyType(
    {found.name: found for module in _MODULES for found in registered_by(module.__name__)}
)
"""Name → metric under default settings. The order does not depend on who imported what first."""

BounceMode = Literal["contract", "ga4"]
"""What a bounce is: a session of exactly one page view, or one that GA4 does not call engaged."""


class UnknownMetric(LookupError):  # noqa: N818 - reads as what it is, like LookupError
    """A name that no metric of the catalogue has; the message suggests the nearest."""


def get(name: str, catalogue: Mapping[str, Metric] = CATALOGUE) -> Metric:
    """The metric of this name.

    Raises:
        UnknownMetric: there is none.
    """
    if name in catalogue:
        return catalogue[name]
    near = get_close_matches(name, catalogue)
    hint = (
        f"did you mean {' or '.join(map(repr, near))}?"
        if near
        else f"there are {', '.join(catalogue)}"
    )
    raise UnknownMetric(f"no metric {name!r}; {hint}")


def configured(
    *,
    bounce_mode: BounceMode = "contract",
    customer_lifespan_years: float | None = None,
    survey_responses: SurveyResponses = "all_responses",
    names: Iterable[str] | None = None,
    own: Sequence[OwnMetric] = (),
) -> Mapping[str, Metric]:
    """The catalogue under the given settings: the same order, other definitions, one's own last.

    All measures are always counted, so that changing a setting also changes the past; but which
    answer is a customer's latest is observed only where that is set, and a window that holds
    answers from before is incomplete.

    Args:
        bounce_mode: the definition of `bounce_rate`.
        customer_lifespan_years: what `clv` is over, instead of the lifespan that was observed.
        survey_responses: whether `nps`, `csat` and `ces` are of all answers or of each customer's
            latest; the events must be counted under the same setting.
        names: the metrics to keep; ``None`` for all.
        own: metrics of one's own; the events must be counted with them.

    Raises:
        ValueError: no such mode or choice, or a lifespan that is not positive.
        UnknownMetric: a name that no metric has.
        OwnMetricError: one's own has a name that is taken.
    """
    for what, chosen, choices in (
        ("bounce mode", bounce_mode, get_args(BounceMode)),
        ("choice of survey responses", survey_responses, get_args(SurveyResponses)),
    ):
        if chosen not in choices:
            raise ValueError(f"{what} {chosen!r} is none of {', '.join(choices)}")
    changed: dict[str, Metric] = {}
    if bounce_mode == "ga4":
        changed["bounce_rate"] = CATALOGUE["bounce_rate"].computed_by(engagement.ga4_bounce_rate)
    if customer_lifespan_years is not None:
        if not 0 < customer_lifespan_years < math.inf:
            raise ValueError("the customers' lifespan must be more than 0 years, and finite")
        clv = buyers.clv_over(customer_lifespan_years)
        changed["clv"] = CATALOGUE["clv"].computed_for_by(clv)
    if survey_responses == "latest_per_customer":
        changed |= {name: CATALOGUE[name].computed_by(by) for name, by in LATEST.items()}
    require_free_names(own, CATALOGUE)
    if own:
        changed |= {one.metric.name: one.metric for one in own}
        changed[FAILURES] = failures_of(own)
    found = MappingProxyType({**CATALOGUE, **changed}) if changed else CATALOGUE
    if names is None:
        return found
    kept = {get(name, found).name for name in names}
    return MappingProxyType({name: one for name, one in found.items() if name in kept})
