"""Event logs through the same engine, without Kafka or Redis.

In a notebook::

    from processor.replay import Engine, replay_log

    readings = replay_log("march.jsonl.gz", windows=["1h", "24h"], by=["channel"])
    readings.value("nps", "24h", {"channel": "email"})

``replay_log`` takes logs, ``replay_events`` lists of events, ``Engine`` one event after another;
all give :class:`Readings`.
"""

from processor.replay.counting import EngineOptions
from processor.replay.inproc import InProcessEngine
from processor.replay.interactive import Engine, EventLike, RefusedEventsError
from processor.replay.log import LogError, read_log
from processor.replay.notebook import replay_events, replay_log
from processor.replay.outcome import Reject, Rejects, Summary
from processor.replay.output import to_line, write_readings
from processor.replay.player import ReplayResult, replay
from processor.replay.readings import Readings, UnknownReadingError
from processor.replay.selection import Selection

__all__ = [
    "Engine",
    "EngineOptions",
    "EventLike",
    "InProcessEngine",
    "LogError",
    "Readings",
    "RefusedEventsError",
    "Reject",
    "Rejects",
    "ReplayResult",
    "Selection",
    "Summary",
    "UnknownReadingError",
    "read_log",
    "replay",
    "replay_events",
    "replay_log",
    "to_line",
    "write_readings",
]
