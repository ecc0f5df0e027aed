"""Event logs through the same engine, without Kafka or Redis."""

from processor.replay.inproc import InProcessEngine
from processor.replay.log import LogError, read_log
from processor.replay.notebook import replay_log
from processor.replay.outcome import Reject, Rejects, Summary
from processor.replay.output import to_line, write_readings
from processor.replay.player import ReplayResult, replay
from processor.replay.selection import Selection

__all__ = [
    "InProcessEngine",
    "LogError",
    "Reject",
    "Rejects",
    "ReplayResult",
    "Selection",
    "Summary",
    "read_log",
    "replay",
    "replay_log",
    "to_line",
    "write_readings",
]
