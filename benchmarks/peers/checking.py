"""The same small log through every peer and through this processor: the same counts, or it fails.

Its event time goes on for 25 minutes, so that windows open, slide and close, and answers are up to
half a minute out of order.
"""

import asyncio
import random
import uuid
from collections.abc import Callable, Iterable
from typing import Final

from benchmarks.events import produce
from benchmarks.peers.log import SIZE_MS, Counts, answer_of, hopping, prepared
from benchmarks.peers.running import PEERS, PeerError, agreeing, first_difference
from benchmarks.workloads import Located, survey_events
from processor import Engine
from processor.core.panes import MINUTE_MS, SECOND_MS
from schemas.timestamps import from_ms, parse_rfc3339

EVENTS: Final = 20_000
FEWER_EVENTS: Final = 2_000
"""For a peer that is slow."""

_SPAN_S: Final = 25 * 60
_DISORDER_S: Final = 30
_SEED: Final = 9

Net = dict[tuple[int, str], tuple[float | None, int]]
"""Start of a window in ms and its segment → NPS and how many answered."""


def small_log(events: int) -> list[Located]:
    """So many answers in 25 minutes of event time, each up to half a minute out of order."""
    rng = random.Random(_SEED)
    per_second = max(1, events // _SPAN_S)
    places = [i / per_second + rng.uniform(0, _DISORDER_S) for i in range(events)]
    log = list(survey_events(events, _SEED, per_second=per_second))
    return [log[i] for i in sorted(range(events), key=places.__getitem__)]


def by_this_processor(records: Iterable[bytes]) -> Net:
    """NPS by channel of five minutes, as this processor reads it at the end of each minute.

    Its 5m window is the panes up to the one that holds the reading's time, so a window that ends
    with a minute is the one read in the second before.
    """
    engine = Engine(windows=["5m"], by=[["channel"]], metrics=["nps"])
    by_minute: dict[int, list[bytes]] = {}
    for record in records:
        by_minute.setdefault(answer_of(record).at_ms // MINUTE_MS, []).append(record)
    found: Net = {}
    for minute in range(min(by_minute), max(by_minute) + SIZE_MS // MINUTE_MS):
        end_ms = (minute + 1) * MINUTE_MS
        engine.send(by_minute.get(minute, ()))
        for row in engine.advance(to=from_ms(end_ms - 1)).of("nps", "5m"):
            if parse_rfc3339(row["window_end"]) != end_ms:
                raise PeerError(f"a window ends at {row['window_end']}, and not with its minute")
            if row["segment"] and row["n"]:
                window = end_ms - SIZE_MS, row["segment"]["channel"]
                found[window] = row["value"], row["n"]
    return found


def net(counts: Counts) -> Net:
    """NPS and how many answered, of promoters, passives and detractors."""
    return {
        window: (100.0 * (promoters - detractors) / total, total)
        for window, (promoters, passives, detractors) in counts.items()
        if (total := promoters + passives + detractors)
    }


def check(bootstrap: str, say: Callable[[str], None]) -> list[str]:
    """Compare all peers with brute force, and brute force with this processor.

    Args:
        bootstrap: ``host:port`` of a broker.
        say: told of each that agrees, in a line.

    Returns:
        What differs or failed: a sentence each, of the first difference.
    """
    failures: list[str] = []
    for events in (EVENTS, FEWER_EVENTS):
        prefix, log = f"peers-{uuid.uuid4().hex[:8]}.", small_log(events)
        asyncio.run(produce(bootstrap, prefix, log))
        records = [record for _, _, record in log]
        expected, here = net(hopping(records, MINUTE_MS)), by_this_processor(records)
        if difference := first_difference(here, expected):
            failures.append(f"this processor, {events:,} answers: {difference}")
        else:
            say(f"{'this processor':18} {len(here):>5} windows of {events:,} answers agree")
        for name, peer in PEERS.items():
            if peer.counts and peer.is_slow == (events == FEWER_EVENTS):
                given = prepared(
                    bootstrap,
                    prefix,
                    peer.events_of(events),
                    partitions=peer.partitions,
                    step_ms=peer.step_s * SECOND_MS,
                )
                try:
                    agreed = agreeing(peer, bootstrap, given)
                    say(f"{name:18} {agreed:>5} windows of {given.events:,} answers agree")
                except PeerError as error:
                    failures.append(str(error))
    return failures
