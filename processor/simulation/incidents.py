"""Incidents: what goes wrong in a simulated world, when, for how long, and for whom."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, NamedTuple


class Kind(NamedTuple):
    """One kind of incident.

    Attributes:
        duration_s: seconds it lasts unless told.
        effect: what it does, in a few words.
    """

    duration_s: float
    effect: str


KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "nps-drop": Kind(300.0, "fewer promoters, more detractors"),
        "csat-drop": Kind(300.0, "half as many are satisfied"),
        "ctr-drop": Kind(300.0, "a fifth of the clicks"),
        "bounce-spike": Kind(300.0, "twice as many leave after one page"),
        "cart-trouble": Kind(300.0, "an eighth of the orders from carts"),
        "refund-wave": Kind(300.0, "ten times the refunds"),
        "slow-support": Kind(300.0, "answers and solutions take five times as long"),
        "churn-wave": Kind(300.0, "customers leave a hundred times as often"),
        "bad-press": Kind(300.0, "mentions and comments surge, followers go"),
        "outage": Kind(60.0, "no sessions at all"),
        "duplicate-storm": Kind(60.0, "events are sent again; no metric moves"),
        "poison": Kind(60.0, "events that break the contract; no metric moves"),
    }
)
"""Every kind of incident, by name."""

DEFAULT_DURATIONS_S: Final[Mapping[str, float]] = MappingProxyType(
    {name: kind.duration_s for name, kind in KINDS.items()}
)
"""How many seconds each incident lasts unless told."""

_UNITS_S: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION: Final = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<unit>ms|[smhd])")
_INCIDENT: Final = re.compile(
    r"(?P<name>[a-z-]+)@(?P<start>[0-9.]+[a-z]+)(?:\+(?P<duration>[0-9.]+[a-z]+))?"
    r"(?:\[(?P<where>[^\[\]]*)\])?"
)
_PAIR: Final = re.compile(r"(?P<name>[a-z][a-z0-9_]{0,31})=(?P<value>[^=,]{1,64})")


@dataclass(frozen=True, slots=True)
class Incident:
    """One thing that goes wrong for a while.

    Attributes:
        name: one of :data:`DEFAULT_DURATIONS_S`.
        start_s: seconds after the simulation's start, not negative.
        duration_s: seconds it lasts, above zero; ``None`` for the name's default.
        where: dimensions an event must have to be struck; empty strikes all.

    Raises:
        ValueError: an unknown name, or a time out of range.
    """

    name: str
    start_s: float
    duration_s: float | None = None
    where: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.name not in DEFAULT_DURATIONS_S:
            raise ValueError(
                f"unknown incident {self.name!r}; there are {', '.join(DEFAULT_DURATIONS_S)}"
            )
        if not (math.isfinite(self.start_s) and self.start_s >= 0):
            raise ValueError(f"incident {self.name}: start must be 0 s or later: {self.start_s}")
        if self.duration_s is not None and not self.duration_s > 0:
            raise ValueError(f"incident {self.name}: duration must be above 0: {self.duration_s}")

    @property
    def end_s(self) -> float:
        """Seconds after the simulation's start at which it is over (exclusive)."""
        lasts = DEFAULT_DURATIONS_S[self.name] if self.duration_s is None else self.duration_s
        return self.start_s + lasts


def parse_duration(text: str) -> float:
    """Returns the seconds of a duration such as ``250ms``, ``30s``, ``1.5m``, ``24h`` or ``7d``.

    Raises:
        ValueError: not a number and a unit.
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(f"not a duration: {text!r}; write a number and ms, s, m, h or d: 30s")
    return float(found["number"]) * _UNITS_S[found["unit"]]


def parse_incident(text: str) -> Incident:
    """Returns an incident as written on a command line.

    Args:
        text: ``NAME@START[+DURATION][[dimension=value,…]]``, for example ``nps-drop@30s`` or
            ``nps-drop@30s+60s[channel=email]``.

    Raises:
        ValueError: not that form, or an unknown name; the message lists the names.

    Example:
        >>> parse_incident("nps-drop@30s+2m").end_s
        150.0
    """
    found = _INCIDENT.fullmatch(text.strip())
    if found is None:
        raise ValueError(
            f"not an incident: {text!r}; write NAME@START, such as nps-drop@30s or "
            f"nps-drop@30s+60s[channel=email]; names are {', '.join(DEFAULT_DURATIONS_S)}"
        )
    duration = found["duration"]
    return Incident(
        name=found["name"],
        start_s=parse_duration(found["start"]),
        duration_s=None if duration is None else parse_duration(duration),
        where={} if found["where"] is None else _parse_where(found["where"]),
    )


def _parse_where(text: str) -> Mapping[str, str]:
    where: dict[str, str] = {}
    for part in text.split(","):
        pair = _PAIR.fullmatch(part.strip())
        if pair is None:
            raise ValueError(f"not a dimension and its value: {part!r}; write channel=email")
        where[pair["name"]] = pair["value"]
    return where


class Schedule:
    """Which incidents are on at the moment; asked for every event, so built to answer fast.

    Args:
        incidents: in any order; several of one name may overlap.
        start_ms: the simulation's start, epoch milliseconds.
    """

    __slots__ = ("_active", "_next_edge_ms", "_spans")

    def __init__(self, incidents: Sequence[Incident], start_ms: int) -> None:
        self._spans = tuple(
            (start_ms + one.start_s * 1000, start_ms + one.end_s * 1000, one) for one in incidents
        )
        self._active: dict[str, list[Mapping[str, str]]] = {}
        self._next_edge_ms = -math.inf

    def advance(self, now_ms: float) -> None:
        """Moves to a time, not before the last one; costs a comparison between edges."""
        if now_ms < self._next_edge_ms:
            return
        self._active = {}
        for begin_ms, end_ms, one in self._spans:
            if begin_ms <= now_ms < end_ms:
                self._active.setdefault(one.name, []).append(one.where)
        edges = (edge for begin_ms, end_ms, _ in self._spans for edge in (begin_ms, end_ms))
        self._next_edge_ms = min((edge for edge in edges if edge > now_ms), default=math.inf)

    def on(self, name: str) -> bool:
        """Returns whether an incident is on for anybody."""
        return name in self._active

    def strikes(self, name: str, dimensions: Mapping[str, str]) -> bool:
        """Returns whether an incident is on for something with these dimensions."""
        return name in self._active and any(
            all(dimensions.get(key) == value for key, value in where.items())
            for where in self._active[name]
        )
