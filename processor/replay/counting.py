"""What is counted and how, put together from keywords: for those who call from Python."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from os import PathLike, fspath
from pathlib import Path
from typing import Literal, TypedDict

from pydantic import ValidationError

from processor.core.config import EngineConfig, SurveyResponses
from processor.metrics.catalogue import configured
from processor.metrics.own_definition import OwnMetric
from processor.metrics.own_modules import load_own
from processor.metrics.registry import Metric
from processor.settings import EngineSettings, Settings
from schemas.timestamps import parse_rfc3339, to_ms

When = str | datetime
"""An instant: RFC 3339 text, or a datetime with a time zone."""

Modules = Iterable[str | PathLike[str]]
"""Modules that define metrics of one's own: ``.py`` files, or names of installed modules."""

Metrics = Mapping[str, Metric] | Iterable[str]
"""A catalogue, or the names of the metrics to read."""


class EngineOptions(TypedDict, total=False):
    """The settings of the configuration's table ``[engine]``, as keywords.

    ``windows`` and ``segments`` are not among them: they are arguments of their own.
    """

    segment_cap: int
    lateness: str
    future_skew: str
    dedup_horizon: str
    dedup_max_ids: int
    max_record_bytes: int
    session_timeout: str
    session_longest: str
    customer_ttl: str
    customers_max: int
    customer_lifespan_years: float | None
    base_detail: str
    bounce_mode: Literal["contract", "ga4"]
    survey_responses: SurveyResponses
    low_sample_under: int
    idle_after: str


@dataclass(frozen=True, slots=True)
class Counting:
    """What an engine needs to know to count and to read.

    Attributes:
        config: windows, segments, lateness and limits.
        metrics: the catalogue in use.
        own: metrics of one's own, to be counted too.
        low_sample_under: fewer observations than this are flagged.
    """

    config: EngineConfig
    metrics: Mapping[str, Metric]
    own: Sequence[OwnMetric]
    low_sample_under: int


def counting(
    *,
    windows: Iterable[str] | None = None,
    by: Iterable[Sequence[str]] | None = None,
    modules: Modules = (),
    metrics: Metrics | None = None,
    settings: Settings | None = None,
    options: EngineOptions | None = None,
) -> Counting:
    """Put together what to count by.

    Args:
        windows: such as `1h` and `24h`; those of the settings where left out.
        by: dimensions, or sets of them, to break readings down by: ``["channel"]`` or
            ``[["channel", "product"]]``; those of the settings where left out.
        modules: metrics of one's own; a relative path begins at the working directory.
        metrics: those to read; all where left out.
        settings: a configuration, as of :func:`~processor.settings.load_settings`; without one
            the defaults, whatever files and variables there are.
        options: further settings of the table ``[engine]``, over those.

    Raises:
        ValueError: a setting that is not usable, or a module that fails.
        UnknownMetric: a name that no metric has.
    """
    chosen: dict[str, object] = {**(options or {})}
    if windows is not None:
        chosen["windows"] = (windows,) if isinstance(windows, str) else tuple(windows)
    if by is not None:
        chosen["segments"] = tuple((one,) if isinstance(one, str) else tuple(one) for one in by)
    engine = _engine(settings.engine if settings is not None else EngineSettings(), chosen)
    own = () if settings is None else settings.own_metrics()
    own += load_own([fspath(module) for module in modules], Path())
    if metrics is None and settings is not None:
        metrics = settings.publisher.metrics
    if not isinstance(metrics, Mapping):
        metrics = configured(
            bounce_mode=engine.bounce_mode,
            customer_lifespan_years=engine.customer_lifespan_years,
            survey_responses=engine.survey_responses,
            names=metrics,
            own=own,
        )
    return Counting(engine.config(b""), metrics, own, engine.low_sample_under)


def instant_ms(when: When) -> int:
    """Milliseconds since the epoch of an instant.

    Raises:
        ValueError: the text is no RFC 3339 date-time, or the datetime has no time zone.

    >>> instant_ms("2026-03-01T12:00:00Z")
    1772366400000
    """
    return to_ms(when) if isinstance(when, datetime) else parse_rfc3339(when)


def _engine(base: EngineSettings, chosen: Mapping[str, object]) -> EngineSettings:
    try:
        return EngineSettings.model_validate({**base.model_dump(), **chosen})
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
        lines = [
            f"{'.'.join(map(str, problem['loc']))}: {problem['msg'].removeprefix('Value error, ')}"
            for problem in problems
        ]
        raise ValueError("\n".join(lines)) from None
