"""``python -m benchmarks.peers prepare|check|run``: other tools over the same log.

python -m benchmarks.peers prepare             make their environments, below .bench/
python -m benchmarks.peers check               do all of them count the same?
python -m benchmarks.peers run faust quix      what these take; all where none is named
"""

import argparse
import asyncio
import json
import statistics
import sys
from collections.abc import Iterable, Sequence

from benchmarks.events import produce
from benchmarks.peers.checking import check
from benchmarks.peers.environments import make
from benchmarks.peers.running import PEERS, PeerError, is_prepared, run_peer
from benchmarks.workloads import CHANNELS, Located, survey_events
from processor.embedded.kafka import EmbeddedKafka


def main() -> int:
    """Run one of them; 1 if anything failed or counted something else."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("prepare")
    commands.add_parser("check")
    run = commands.add_parser("run")
    run.add_argument("peers", nargs="*", metavar="PEER", help=", ".join(PEERS))
    run.add_argument("--events", type=int, default=200_000, help="length of the log")
    run.add_argument("--rounds", type=int, default=3)
    run.add_argument("--channels", type=int, default=len(CHANNELS), help="segments of the log")
    asked = parser.parse_args()
    if asked.command == "prepare":
        for environment in dict.fromkeys(peer.environment for peer in PEERS.values()):
            if environment is not None:
                make(environment)
        return 0
    names = asked.peers if asked.command == "run" and asked.peers else list(PEERS)
    if unknown := [name for name in names if name not in PEERS]:
        parser.error(f"no peer {', '.join(unknown)}; there are {', '.join(PEERS)}")
    if missing := [name for name in names if not is_prepared(name)]:
        print(f"not prepared: {', '.join(missing)}; run `python -m benchmarks.peers prepare`")
        return 1
    if asked.command == "check":
        with EmbeddedKafka() as kafka:
            failures = check(kafka.bootstrap, lambda line: print(line, flush=True))
        print("\n".join(failures), file=sys.stderr, end="\n" if failures else "")
        return bool(failures)
    return _run(names, survey_events(asked.events, channels=asked.channels), asked.rounds)


def _run(names: Sequence[str], log: Iterable[Located], rounds: int) -> int:
    """Print a table of medians; each run on standard error, as it ends."""
    results: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    with EmbeddedKafka() as kafka:
        events, _ = asyncio.run(produce(kafka.bootstrap, "survey.", log))
        for _ in range(rounds):
            for name, runs in results.items():
                try:
                    runs.append(run_peer(name, kafka.bootstrap, "survey.", events))
                    print(name, json.dumps(runs[-1]), file=sys.stderr, flush=True)
                except PeerError as error:
                    print(error, file=sys.stderr)
                    return 1
    print(f"{'':40}{'events':>10}{'events/CPU-s':>14}{'events/s':>11}{'RSS MB':>8}")
    for name, runs in results.items():
        rate, rss = (statistics.median(r[what] for r in runs) for what in ("per_cpu_s", "rss_mb"))
        wall = statistics.median(r["events"] / r["wall_s"] for r in runs)
        about = PEERS[name].about
        print(f"{about:40}{runs[0]['events']:>10,}{rate:>14,.0f}{wall:>11,.0f}{rss:>8.0f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
