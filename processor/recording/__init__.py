"""Event topics copied into log files."""
