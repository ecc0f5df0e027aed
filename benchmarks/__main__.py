"""``python -m benchmarks``: one worker beside its limits and other tools, in one run.

Every variant reads its log in a process of its own, in turn, several rounds, on a real Kafka and
Redis that this starts. Medians, and ratios within a round, are what to quote: a machine's speed
drifts. Writes ``bench-results/latest.json`` and ``bench-results/latest.svg``; ``python -m
benchmarks.page`` makes docs/performance.md of them.

::

    python -m benchmarks                        the short run, some minutes
    python -m benchmarks --full                 everything, five rounds, peers, latency
    python -m benchmarks --only count,consume   some variants; --list names all
    python -m benchmarks --only count --profile stages
"""

import argparse
import json
import logging
import sys
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from rich.console import Console

from benchmarks.chart import chart
from benchmarks.peers import PEERS, is_prepared
from benchmarks.report import document, machine, rows, table
from benchmarks.running import Bench
from benchmarks.variants import VARIANTS, Variant, chosen
from processor.embedded.kafka import EmbeddedKafka
from processor.embedded.redis import EmbeddedRedis

FOLDER = Path("bench-results")
_QUICK = {"events": 300_000, "sessions": 100_000, "rounds": 3}
_FULL = {"events": 400_000, "sessions": 1_000_000, "rounds": 5}

_STAGES = ("count", "mixed", "sessions")
"""What a full run says of where the time goes."""


def known() -> dict[str, Variant]:
    """All variants: the worker's, and one for each peer; ``getmany`` is aiokafka's own already."""
    return dict(VARIANTS) | {
        name: Variant(
            peer.about,
            mode="peer",
            compared_with="count" if peer.counts else "consume",
            rounds=3 if "-" in name else 5,  # the others are what the targets name
        )
        for name, peer in PEERS.items()
        if name != "aiokafka"
    }


def to_run(options: argparse.Namespace, failed: list[str]) -> dict[str, Variant]:
    """The variants that the options ask for; peers that cannot run are said to have failed."""
    variants = known()
    if options.only:
        wanted = chosen(options.only, variants)
    elif options.full:
        wanted = variants
    else:
        wanted = {name: variant for name, variant in variants.items() if variant.quick}
    found = {}
    for name, variant in wanted.items():
        if variant.mode == "peer" and not is_prepared(name):
            failed.append(f"{name}: run `python -m benchmarks.peers prepare` first")
            continue
        found[name] = variant
    return found


def main() -> int:
    """Run the variants, print the table, and write everything down.

    Returns:
        1 if anything that was asked for could not be measured.
    """
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--full", action="store_true", help="everything, five rounds")
    parser.add_argument("--only", action="append", help="variants to run, with commas")
    parser.add_argument("--list", action="store_true", help="what variants there are")
    parser.add_argument("--events", type=int, help="length of a log")
    parser.add_argument("--sessions", type=int, help="of a log of sessions")
    parser.add_argument("--rounds", type=int, help="runs of each variant")
    parser.add_argument("--out", type=Path, default=FOLDER / "latest.json")
    parser.add_argument(
        "--profile",
        nargs="?",
        const="calls",
        choices=("calls", "stages"),
        help="one profiled run of each, instead of the table: calls traced, or stages sampled",
    )
    options = parser.parse_args()
    if options.list:
        for name, variant in known().items():
            print(f"{name:18} {variant.about}")
        return 0
    lengths = _FULL if options.full else _QUICK
    lengths = {name: getattr(options, name) or number for name, number in lengths.items()}
    return run(options, lengths)


def run(options: argparse.Namespace, lengths: Mapping[str, int]) -> int:
    """Run what the options ask for; 1 if anything of it failed."""
    failed: list[str] = []
    variants, before, began = to_run(options, failed), machine(), time.monotonic()
    for line in failed:
        print(line, file=sys.stderr)
    logging.getLogger("aiokafka").setLevel(logging.ERROR)  # new topics have no leader at once
    with EmbeddedKafka() as kafka, EmbeddedRedis(appendonly=True) as redis:
        bench = Bench(
            kafka.bootstrap,
            redis.url,
            lengths["events"],
            lengths["sessions"],
            partial(print, file=sys.stderr, flush=True),
        )
        bench.write_logs(variants)
        if options.profile:
            for name, variant in variants.items():
                print(name, file=sys.stderr)
                print(json.dumps(bench.run(name, variant, options.profile), indent=2))
            return int(bool(failed))
        results, broken = bench.rounds(variants, lengths["rounds"])
        failed += broken
        profiled = {name: variants[name] for name in _STAGES if options.full and results.get(name)}
        stages = bench.stages(profiled)
    Console(width=None if sys.stdout.isatty() else 160).print(table(rows(results, variants)))
    logs = {
        name: {"events": count, "bytes_each": bench.bytes_each[name]}
        for name, count in bench.lengths.items()
    }
    found = document(results, variants, logs, failed, before)
    found["stages"] = stages
    found["took_s"] = round(time.monotonic() - began)
    options.out.parent.mkdir(exist_ok=True)
    options.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    options.out.with_suffix(".svg").write_bytes(chart(found))
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
