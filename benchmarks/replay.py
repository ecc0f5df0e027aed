"""Events per CPU-second of a replay in one process, beside reading, and reading and validating.

::

    python -m benchmarks.replay                        1 and 10 million events
    python -m benchmarks.replay --events 200000

A log of survey answers is written once: NPS, CSAT and CES, three dimensions each, a thousand a
second of event time. Then each subject goes through it in a process of its own: `read` splits it
into lines, `validate` also has pydantic check every line and build its event, `replay` gives the
readings of the whole catalogue at the end, for the default windows and segments. CPU time is the
process's own, user and system; memory is its peak.
"""

import argparse
import gc
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.metering import peak_rss_mb
from processor.core.config import DEFAULT_SEGMENT_SETS, DEFAULT_WINDOWS, EngineConfig
from processor.core.panes import plan_windows
from processor.metrics.catalogue import CATALOGUE
from processor.replay import read_log, replay
from schemas.events import EventType
from schemas.timestamps import format_rfc3339, parse_rfc3339
from schemas.validators import fast_validator

SUBJECTS = ("read", "validate", "replay")
BEGIN_MS = parse_rfc3339("2026-03-01T00:00:00Z")
EVENTS_PER_SECOND = 1_000
CHANNELS = ("email", "web", "app", "sms", "phone")
PRODUCTS = ("basic", "plus", "pro", "team")
COUNTRIES = ("DE", "US", "JP", "FR", "BR", "IN")
_SHAPES = 10_000


def write_log(path: Path, count: int, seed: int = 1) -> None:
    """``count`` survey answers, the same for the same seed."""
    rng = random.Random(seed)
    rests = [_rest(rng) for _ in range(_SHAPES)]
    with path.open("wb") as file:
        for second, begin in enumerate(range(0, count, EVENTS_PER_SECOND)):
            at = format_rfc3339(BEGIN_MS + second * 1000)[:19].encode()
            number = min(EVENTS_PER_SECOND, count - begin)
            ids = rng.getrandbits(96)
            file.write(
                b"".join(
                    b'{"type":"survey_response","event_id":"%024x-%09x","occurred_at":"%b.%03dZ",%b'
                    % (ids, begin + i, at, i, rests[rng.randrange(_SHAPES)])
                    for i in range(number)
                )
            )


def _rest(rng: random.Random) -> bytes:
    survey: dict[str, Any] = rng.choices(
        (
            {"survey": "nps", "score": rng.randrange(11)},
            {"survey": "csat", "score": rng.randint(1, 5)},
            {"survey": "ces", "score": rng.randint(1, 7)},
        ),
        (6, 3, 1),
    )[0]
    dimensions = {
        "channel": rng.choice(CHANNELS),
        "product": rng.choice(PRODUCTS),
        "country": rng.choice(COUNTRIES),
    }
    fields = {"customer_id": f"c{rng.randrange(10**6)}", "dimensions": dimensions, **survey}
    return json.dumps(fields, separators=(",", ":")).encode()[1:] + b"\n"


def measured(subject: str, log: Path) -> dict[str, Any]:
    """What one subject takes, in this process."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)
    began = time.process_time()
    lines = sum(_run(subject, log))
    return {
        "subject": subject,
        "lines": lines,
        "cpu_s": time.process_time() - began,
        "peak_mib": peak_rss_mb(),
    }


def _run(subject: str, log: Path) -> Iterator[int]:
    """How many lines went through, a chunk or all at a time."""
    if subject == "replay":
        config = EngineConfig(
            windows=plan_windows(DEFAULT_WINDOWS), segment_sets=DEFAULT_SEGMENT_SETS
        )
        result = replay([log], config=config, metrics=CATALOGUE, final=True)
        readings = len(list(result))
        assert readings, "a replay without readings"
        yield result.summary.total("counted")
        return
    validate = fast_validator(EventType.SURVEY_RESPONSE)
    for chunk in read_log(log):
        if subject == "validate":
            events = [validate(line) for line in chunk.lines]
            yield len(events)
        else:
            yield len(chunk.lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--events", type=int, action="append", help="repeatable")
    parser.add_argument("--subject", choices=SUBJECTS, help=argparse.SUPPRESS)
    parser.add_argument("--log", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.subject:
        print(json.dumps(measured(arguments.subject, arguments.log)))
        return 0
    print(f"{'events':>12}  {'':10}{'events/CPU-s':>12}  {'us/event':>8}  {'peak MiB':>8}")
    with tempfile.TemporaryDirectory(prefix="cxpulse-bench-") as folder:
        for count in arguments.events or (1_000_000, 10_000_000):
            log = Path(folder, "log.jsonl")
            write_log(log, count)
            for subject in SUBJECTS:
                of_subject = ["--subject", subject, "--log", str(log)]
                done = subprocess.run(
                    [sys.executable, "-m", "benchmarks.replay", *of_subject],
                    check=True,
                    capture_output=True,
                )
                found = json.loads(done.stdout)
                assert found["lines"] == count, found
                print(
                    f"{count:>12,}  {subject:10}{count / found['cpu_s']:>12,.0f}"
                    f"  {1e6 * found['cpu_s'] / count:>8.2f}  {found['peak_mib']:>8.0f}",
                    flush=True,
                )
    return 0


if __name__ == "__main__":
    sys.exit(main())
