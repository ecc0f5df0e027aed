"""Event logs through the same engine, without Kafka or Redis."""
