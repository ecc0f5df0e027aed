"""Guards of what counting, flushing and publishing take: numbers of things, not of seconds."""
