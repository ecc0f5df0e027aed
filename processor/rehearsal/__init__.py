"""Logs through a real Kafka and real workers, to the readings that one process gives."""
