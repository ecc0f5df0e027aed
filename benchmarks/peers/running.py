"""Runs a peer over a log of survey answers, in a process and an environment of its own."""

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from benchmarks.peers import environments
from benchmarks.peers.log import Counts, Log, prepared
from schemas.timestamps import format_rfc3339

PROGRAMS: Final = Path(__file__).parent / "programs"
_TIMEOUT_S: Final = 600
_FEW: Final = 5_000


@dataclass(frozen=True, slots=True)
class Peer:
    """Another program over the same log.

    Attributes:
        about: what tables call it.
        program: its file.
        environment: the one it runs in; this project's for ``None``.
        at_most: so many events are enough to tell its rate, which does not depend on how many.
        partitions: of its log; as many as the log has for ``None``.
        counts: whether it counts windows; else it only reads.
        step_s: seconds between the starts of its windows.
    """

    about: str
    program: str
    environment: str | None
    at_most: int | None = None
    partitions: int | None = None
    counts: bool = True
    step_s: int = 60

    @property
    def is_slow(self) -> bool:
        """Whether it gets a log of hundreds or thousands of answers only."""
        return self.at_most is not None and self.at_most <= _FEW

    def events_of(self, events: int) -> int:
        """How many of so many events it gets."""
        return events if self.at_most is None else min(events, self.at_most)


PEERS: Final[Mapping[str, Peer]] = {
    "aiokafka": Peer("aiokafka, getmany only", "aiokafka_getmany.py", None, counts=False),
    "confluent": Peer(
        "confluent-kafka, consume only", "confluent_consume.py", "confluent", counts=False
    ),
    "faust": Peer("Faust, 5 min every 1 min", "faust_hopping.py", None, at_most=5_000),
    "faust-5s": Peer("Faust, 5 min every 5 s", "faust_hopping.py", None, at_most=500, step_s=5),
    "quix": Peer(
        "Quix Streams, 5 min every 1 min", "quix_hopping.py", "quix", at_most=50_000, partitions=1
    ),
    "quix-repartition": Peer(
        "Quix Streams, grouped through a topic", "quix_hopping.py", "quix", at_most=50_000
    ),
    "quix-5s": Peer(
        "Quix Streams, 5 min every 5 s",
        "quix_hopping.py",
        "quix",
        at_most=5_000,
        partitions=1,
        step_s=5,
    ),
    "bytewax": Peer("Bytewax, 5 min every 1 min", "bytewax_sliding.py", "bytewax"),
    "bytewax-5s": Peer(
        "Bytewax, 5 min every 5 s", "bytewax_sliding.py", "bytewax", at_most=50_000, step_s=5
    ),
    "pathway": Peer("Pathway, 5 min every 1 min", "pathway_sliding.py", "pathway", at_most=200_000),
    "pathway-5s": Peer(
        "Pathway, 5 min every 5 s", "pathway_sliding.py", "pathway", at_most=10_000, step_s=5
    ),
}
"""By name. A window of this project moves on by at most a sixtieth of its size, 5 min by 5 s, as
where the name ends so; by a minute is what other tools' examples do, and is kinder to them."""


class PeerError(RuntimeError):
    """A peer failed, or counted something else; the message says what."""


def is_prepared(name: str) -> bool:
    """Whether a peer's environment is there, and of its present lock file."""
    return environments.is_made(PEERS[name].environment)


def run_peer(name: str, bootstrap: str, topic_prefix: str, events: int) -> dict[str, float]:
    """Run a peer over the first answers of a log, and compare its windows with brute force.

    Args:
        name: of `PEERS`.
        bootstrap: ``host:port`` of the broker.
        topic_prefix: of the log: its topic is ``<prefix>survey-response``.
        events: of the log that it gets, or fewer: as many as tell the rate of a slow one.

    Returns:
        ``events`` and, between the first of them and the last result, ``cpu_s``, ``wall_s`` and
        ``per_cpu_s``; ``rss_mb`` at the highest.

    Raises:
        PeerError: it is not prepared, fails, or counts something else.
        ValueError: the log has fewer answers.
    """
    peer = PEERS[name]
    log = _log(bootstrap, topic_prefix, peer.events_of(events), peer.partitions, 1000 * peer.step_s)
    return _compared(peer, bootstrap, log)[0]


def agreeing(peer: Peer, bootstrap: str, log: Log) -> int:
    """How many windows a peer counts over a log, all of them as brute force does.

    Raises:
        PeerError: as of `run_peer`.
    """
    return len(_compared(peer, bootstrap, log)[1])


def _compared(peer: Peer, bootstrap: str, log: Log) -> tuple[dict[str, float], Counts]:
    outcome, windows = run_program(peer, bootstrap, log)
    if peer.counts and (difference := first_difference(windows, log.expected)):
        raise PeerError(f"{peer.about}: {difference}")
    return outcome, windows


@cache
def _log(
    bootstrap: str, topic_prefix: str, events: int, partitions: int | None, step_ms: int
) -> Log:
    """Made once for all rounds."""
    return prepared(bootstrap, topic_prefix, events, partitions=partitions, step_ms=step_ms)


def run_program(peer: Peer, bootstrap: str, log: Log) -> tuple[dict[str, float], Counts]:
    """What a peer's program took, and the windows that it counted.

    Raises:
        PeerError: it is not prepared, or fails.
    """
    if not environments.is_made(peer.environment):
        raise PeerError(f"{peer.about}: run `python -m benchmarks.peers prepare` first")
    command = [environments.python_of(peer.environment), PROGRAMS / peer.program]
    # Where they keep their state is below the folder that they are started in.
    with tempfile.TemporaryDirectory(prefix="cxpulse-peer-") as folder:
        try:
            done = subprocess.run(
                [*command, bootstrap, log.topic, str(log.events), str(peer.step_s)],
                cwd=folder,
                env=_environment(),
                check=False,
                capture_output=True,
                text=True,
                timeout=_TIMEOUT_S,
            )
        except subprocess.TimeoutExpired as error:
            last = _last_lines(error.stdout, error.stderr)
            raise PeerError(f"{peer.about}: no end after {_TIMEOUT_S} s\n{last}") from error
    lines = [line for line in done.stdout.splitlines() if line.startswith('{"events"')]
    if done.returncode or not lines:
        last = _last_lines(done.stdout, done.stderr)
        raise PeerError(f"{peer.about}: exit code {done.returncode}\n{last}")
    outcome = json.loads(lines[-1])
    windows = {
        (start_ms, segment): (promoters, passives, detractors)
        for start_ms, segment, promoters, passives, detractors in outcome.pop("windows")
    }
    return outcome, windows


def _last_lines(*outputs: str | bytes | None) -> str:
    """The end of what a program said; after a timeout it is in bytes."""
    said = [
        out.decode(errors="replace") if isinstance(out, bytes) else out for out in outputs if out
    ]
    return "\n".join("".join(said).splitlines()[-20:])


def _environment() -> dict[str, str]:
    """Ours, without what points Python at this checkout."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return ours | {"PYTHONDONTWRITEBYTECODE": "1"}


def first_difference(
    counted: Mapping[tuple[int, str], tuple[float | None, ...]],
    expected: Mapping[tuple[int, str], tuple[float | None, ...]],
) -> str | None:
    """A sentence on the first window that is not as expected; ``None`` if all are."""
    for start_ms, segment in sorted(counted.keys() | expected.keys()):
        here, there = counted.get((start_ms, segment)), expected.get((start_ms, segment))
        if here != there:
            window = f"the window of {segment} from {format_rfc3339(start_ms)}"
            return f"{window} has {_told(here)} and must have {_told(there)}"
    return None


def _told(counts: tuple[float | None, ...] | None) -> str:
    return "no answers" if counts is None else "/".join(map(str, counts))
