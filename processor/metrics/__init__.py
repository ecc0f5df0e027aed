"""The metrics: each a small pure function of counters, registered in the catalogue."""
