"""The pure core: events in, counters per pane out; no I/O, no loop, no clock reads."""
