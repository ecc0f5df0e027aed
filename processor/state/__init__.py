"""State in Redis: the pane table, its scripts, its reader, and a store for any Faust app."""
