"""The finished catalogue: every metric by name, in the order in which people read them.

>>> get("nps").interval
'adj. Wald'
>>> get("npss")
Traceback (most recent call last):
processor.metrics.catalogue.UnknownMetric: no metric 'npss'; did you mean 'nps'?
"""

from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Final, Literal, get_args

from processor.metrics import commerce, engagement, survey
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

_MODULES: Final = (survey, engagement, commerce)
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


def configured(*, bounce_mode: BounceMode = "contract") -> Mapping[str, Metric]:
    """The catalogue under the given settings: same names and order, other definitions.

    Both modes read measures that are always counted, so that changing the setting also changes
    the past.

    Args:
        bounce_mode: the definition of `bounce_rate`.

    Raises:
        ValueError: no such mode.
    """
    if bounce_mode not in get_args(BounceMode):
        raise ValueError(
            f"bounce mode {bounce_mode!r} is none of {', '.join(get_args(BounceMode))}"
        )
    if bounce_mode == "contract":
        return CATALOGUE
    ga4 = CATALOGUE["bounce_rate"].computed_by(engagement.ga4_bounce_rate)
    return MappingProxyType({**CATALOGUE, ga4.name: ga4})
