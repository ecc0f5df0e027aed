"""What can go wrong with a replay through Kafka."""


class RehearsalError(Exception):
    """A replay through Kafka cannot begin or go on; the message says why and what to do."""
