"""Helpers to run workers as processes on a real Kafka and Redis, and to check what they did."""
