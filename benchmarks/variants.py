"""What is measured: who reads which log, with which windows and segments, and what that shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from processor.metrics.catalogue import CATALOGUE

SIX: Final = ("1m", "5m", "1h", "24h", "7d", "30d")
TWELVE: Final = (*SIX, "2m", "10m", "15m", "6h", "12h", "14d")
ALL: Final = tuple(CATALOGUE)
FOUR: Final = ("nps", "csat", "ctr", "bounce_rate")
WHOLE_AND_TWO: Final = (("channel",), ("product",))

Mode = Literal["count", "consume", "getmany", "tick", "live", "peer"]


@dataclass(frozen=True)
class Variant:
    """What one subject does with which log.

    Attributes:
        about: what the table calls it.
        mode: of the subject: counts everything (``count``), reads through the same transport and
            counts nothing (``consume``), does without Faust (``getmany``), is measured at a tick
            (``tick``), reads what comes at a fixed rate (``live``), or is another tool (``peer``).
        log: which one it reads: a name of `benchmarks.workloads`.
        windows: of the worker.
        segments: dimension sets beside the whole.
        segment_cap: how many values of a set have segments of their own.
        metrics: that the worker publishes; everything is counted whatever they are.
        compared_with: the variant that it is told as a share of, in the same round.
        quick: it is part of the short run, too.
        rounds: how often it runs at most; what a target is judged by runs as often as is asked.
    """

    about: str
    mode: Mode = "count"
    log: str = "survey"
    windows: tuple[str, ...] = SIX
    segments: tuple[tuple[str, ...], ...] = WHOLE_AND_TWO
    segment_cap: int = 1_000
    metrics: tuple[str, ...] = ALL
    compared_with: str = "consume"
    quick: bool = False
    rounds: int = 5


VARIANTS: Final[Mapping[str, Variant]] = {
    "getmany": Variant("aiokafka getmany alone", mode="getmany", quick=True),
    "consume": Variant("transport, consume only", mode="consume", quick=True),
    "count": Variant("worker: 3 segment sets, 6 windows, all metrics", quick=True),
    "count-live": Variant("… 100,000 a second", log="survey-live", compared_with="count", rounds=3),
    "count-four": Variant("… four metrics published", metrics=FOUR, compared_with="count"),
    "one": Variant("… one window (1m)", windows=("1m",), compared_with="count", quick=True),
    "one-5m": Variant("… one window (5m)", windows=("5m",), compared_with="count"),
    "one-30d": Variant("… one window (30d)", windows=("30d",), compared_with="one-5m"),
    "twelve": Variant("… twelve windows", windows=TWELVE, compared_with="one", quick=True),
    "combined": Variant(
        "… a fourth set, channel with product",
        segments=(*WHOLE_AND_TWO, ("channel", "product")),
        compared_with="count",
        rounds=3,
    ),
    "values-1000": Variant(
        "… 1,000 channels", log="values-1000", compared_with="count", segment_cap=1_000, quick=True
    ),
    "values-10000": Variant(
        "… 10,000 channels",
        log="values-10000",
        compared_with="count",
        segment_cap=10_000,
        rounds=3,
    ),
    "sparse-1000": Variant(
        "… 1,000 channels, each once a second of event time",
        log="sparse-1000",
        compared_with="count",
        rounds=3,
    ),
    "skewed": Variant("… skewed keys, 1,000 channels", log="skewed", compared_with="values-1000"),
    "shuffled": Variant("… up to 110 s late", log="shuffled", compared_with="count", rounds=3),
    "mixed-consume": Variant("mixed: transport, consume only", mode="consume", log="mixed"),
    "mixed": Variant(
        "mixed: worker, all metrics", log="mixed", compared_with="mixed-consume", quick=True
    ),
    "mixed-live": Variant(
        "mixed: 100,000 a second", log="mixed-live", compared_with="mixed", rounds=3
    ),
    "mixed-four": Variant(
        "mixed: four metrics published", log="mixed", metrics=FOUR, compared_with="mixed", rounds=3
    ),
    "mixed-shuffled": Variant(
        "mixed: up to 110 s late", log="mixed-shuffled", compared_with="mixed", rounds=3
    ),
    "sessions-consume": Variant(
        "sessions: transport, consume only", mode="consume", log="sessions", rounds=3
    ),
    "sessions": Variant(
        "sessions: worker, all metrics",
        log="sessions",
        compared_with="sessions-consume",
        quick=True,
    ),
    "sessions-live": Variant(
        "sessions: 100,000 a second", log="sessions-live", compared_with="sessions", rounds=3
    ),
    "sessions-shuffled": Variant(
        "sessions: up to 110 s late", log="sessions-shuffled", compared_with="sessions", rounds=2
    ),
    "sessions-open": Variant(
        "sessions: all open at the end", log="sessions-open", compared_with="sessions", rounds=1
    ),
    "tick-10000": Variant(
        "a tick, 10,000 channels, all changed", mode="tick", segment_cap=10_000, quick=True
    ),
    "live-10000": Variant(
        "10,000 events/s, 10,000 channels, ticks of 1 s",
        mode="live",
        segment_cap=10_000,
        rounds=3,
    ),
}


def chosen(only: list[str] | None, known: Mapping[str, Variant]) -> dict[str, Variant]:
    """Variants by their names, in the table's order.

    Args:
        only: names, each may be several with commas; none for all that are known.
        known: all there are.

    Raises:
        SystemExit: for a name there is not.
    """
    names = [name for part in only or [",".join(known)] for name in part.split(",")]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SystemExit(f"no variant {', '.join(unknown)}; there are {', '.join(known)}")
    return {name: variant for name, variant in known.items() if name in names}
