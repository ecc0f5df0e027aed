"""Logs through a real Kafka and real workers, to the readings that one process gives."""

from processor.rehearsal.errors import RehearsalError
from processor.rehearsal.replaying import KafkaReplay, replay_through_kafka

__all__ = ["KafkaReplay", "RehearsalError", "replay_through_kafka"]
