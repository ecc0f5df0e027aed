"""Rules over readings: when an alert begins, holds and ends. No clock, no network, no store."""
