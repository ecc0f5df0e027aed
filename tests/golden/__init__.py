"""Event logs with their readings: `make golden` writes the readings again."""
