"""The monitor: a page, an API and metrics over the live readings, in a process of its own."""
