"""A rule: which readings it watches, when they are an alert, and what the alert says."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from processor.alerting.wording import ALWAYS, names_in
from processor.core.panes import parse_duration_ms
from schemas.fields import DIMENSION_NAME_PATTERN, Currency


def _span_ms(text: str) -> int:
    return 0 if text.strip() in {"0", "0s", "0m", "0h", "0d"} else parse_duration_ms(text)


def _duration(text: str) -> str:
    _span_ms(text)
    return text


def _template(text: str) -> str:
    names_in(text)
    return text


Duration = Annotated[str, AfterValidator(_duration)]
"""A whole number and s, m, h or d; ``0s`` for none."""

Template = Annotated[str, Field(max_length=2_000), AfterValidator(_template)]
"""Text with ``{name}`` where a value belongs."""

LabelName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
"""A label that we or Prometheus's Alertmanager can carry."""

Dimension = Annotated[str, Field(pattern=DIMENSION_NAME_PATTERN)]

OWN_LABELS = frozenset({"alertname", "severity", "metric", "window", "currency"})
"""Labels that every alert has; a rule's own may not take their names."""


class Rule(BaseModel):
    """One table ``[[alerts]]`` of the configuration.

    Exactly one of ``below``, ``above``, ``drop`` and ``rise`` is its condition. ``drop`` and
    ``rise`` ask whether the value is significantly less or more than in the window before; of a
    metric without an interval the size of the change decides alone, so that one has to be set.

    Attributes:
        name: names it in alerts, silences and logs; unique.
        metric: of the catalogue, or one of the processor's own signals (`signals.SIGNALS`).
        window: one of the configured; none for a signal.
        by: one alert for each value of these dimensions; the whole where empty.
        segment: only these values of the dimensions of ``by``, or of others that then are fixed.
        currency: of a metric in money: only this one; an alert for each where left out.
        below, above: the threshold; a value equal to it is no breach.
        drop, rise: significantly worse or better than the window before, whichever way is bad.
        min_change: a drop or rise of less than this is none, however significant. A test at 0.95
            that is made at every tick finds something by chance every day: give a size, or ``for``.
        min_change_percent: the same as a share of the value before: 50 is half of it.
        recovers_at: at this value or beyond it a firing alert recovers; the threshold, unless set.
        for_: how long, in event time, the condition has to hold before the alert fires.
        keep_firing_for: how long the value has to have recovered before the alert is resolved.
        min_samples: with fewer observations nothing is decided; the configured minimum, unless set.
        no_data: what a window in which nothing was observed means: ``keep`` things as they are,
            ``ok`` (as a recovery), ``alert`` (as a breach), or ``gone``: as a breach where the
            window before has something, and otherwise as things are. What never was is not gone.
        severity: such as critical, warning or info.
        labels: further labels of its alerts.
        annotations: texts for people; ``{value}``, ``{channel}`` and so on are filled in.
    """

    # "for" is what users write; Python keeps the word for itself.
    model_config = ConfigDict(
        extra="forbid", frozen=True, populate_by_name=True, hide_input_in_errors=True
    )

    name: str = Field(min_length=1, max_length=100)
    metric: str = Field(min_length=1, max_length=100)
    window: str | None = None
    by: tuple[Dimension, ...] = ()
    segment: Mapping[Dimension, Annotated[str, Field(min_length=1, max_length=64)]] = Field(
        default_factory=dict
    )
    currency: Currency | None = None
    below: float | None = Field(None, allow_inf_nan=False)
    above: float | None = Field(None, allow_inf_nan=False)
    drop: bool = False
    rise: bool = False
    min_change: float = Field(0.0, ge=0, allow_inf_nan=False)
    min_change_percent: float = Field(0.0, ge=0, allow_inf_nan=False)
    recovers_at: float | None = Field(None, allow_inf_nan=False)
    for_: Duration = Field("0s", alias="for")
    keep_firing_for: Duration = "0s"
    min_samples: int | None = Field(None, ge=0)
    no_data: Literal["keep", "ok", "alert", "gone"] = "keep"
    severity: str = Field("warning", pattern=r"^[a-z][a-z0-9_-]{0,31}$")
    labels: Mapping[LabelName, Annotated[str, Field(min_length=1, max_length=200)]] = Field(
        default_factory=dict
    )
    annotations: Mapping[LabelName, Template] = Field(default_factory=dict)

    @property
    def for_ms(self) -> int:
        """How long the condition has to hold, in milliseconds of event time."""
        return _span_ms(self.for_)

    @property
    def keep_firing_for_ms(self) -> int:
        """How long the recovery has to hold, in milliseconds of event time."""
        return _span_ms(self.keep_firing_for)

    @property
    def dimensions(self) -> frozenset[str]:
        """The dimensions of the segments that it watches."""
        return frozenset((*self.by, *self.segment))

    @property
    def condition(self) -> str:
        """What it watches for, in words.

        >>> Rule(name="low", metric="nps", window="24h", below=30, recovers_at=35).condition
        'below 30, until 35'
        """
        if self.drop or self.rise:
            word = "drop" if self.drop else "rise"
            sizes = [
                size
                for size, is_given in (
                    (f"{self.min_change:.15g}", self.min_change),
                    (f"{self.min_change_percent:.15g} %", self.min_change_percent),
                )
                if is_given
            ]
            atleast = f" of at least {' and '.join(sizes)}" if sizes else ""
            return f"significant {word}{atleast} against the window before"
        word, limit = ("below", self.below) if self.below is not None else ("above", self.above)
        until = "" if self.recovers_at is None else f", until {self.recovers_at:.15g}"
        return f"{word} {limit:.15g}{until}"

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        problems = [*self._condition_problems(), *self._name_problems()]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _condition_problems(self) -> Iterator[str]:
        conditions = {
            "below": self.below is not None,
            "above": self.above is not None,
            "drop": self.drop,
            "rise": self.rise,
        }
        given = [name for name, is_given in conditions.items() if is_given]
        if len(given) != 1:
            found = f"found {' and '.join(given)}" if given else "found none"
            yield f"needs exactly one of below, above, drop and rise: {found}"
        if self.recovers_at is not None:
            if self.drop or self.rise:
                yield "recovers_at goes with below or above: a drop or rise is over when it is over"
            elif self.below is not None and self.recovers_at < self.below:
                yield "recovers_at must not be less than below"
            elif self.above is not None and self.recovers_at > self.above:
                yield "recovers_at must not be more than above"
        if not (self.drop or self.rise):
            for name in ("min_change", "min_change_percent"):
                if getattr(self, name):
                    yield f"{name} goes with drop or rise"

    def _name_problems(self) -> Iterator[str]:
        if len(set(self.by)) < len(self.by):
            yield "by names a dimension twice"
        for taken in sorted(OWN_LABELS.intersection(self.labels)):
            yield f"labels: {taken} is set by the alert itself"
        for taken in sorted(self.dimensions.intersection(self.labels)):
            yield f"labels: {taken} is a dimension of the alert already"
        known = ALWAYS | self.dimensions | set(self.labels)
        for annotation, text in self.annotations.items():
            for name in sorted(names_in(text) - known):
                yield (
                    f"annotations.{annotation}: there is no {{{name}}}; there are "
                    f"{', '.join(sorted(known))}"
                )
