"""Replays through a real Kafka."""
