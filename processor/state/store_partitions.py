"""Which partitions of a Faust table a key may be in."""

from typing import Any, cast

from faust.streams import current_event
from faust.types import AppT, CollectionT


class TablePartitions:
    """The partitions of one table, as Faust places its keys: by the event being processed.

    Args:
        app: the app, which knows what is assigned here.
        table: the table.
        name: of the table, for messages.
    """

    def __init__(self, app: AppT, table: CollectionT, name: str) -> None:
        self._app = app
        self._table = table
        self._name = name

    @property
    def changelog_topic(self) -> str:
        """The name of the table's changelog."""
        return cast("str", cast("Any", self._table).changelog_topic_name)

    def active(self) -> set[int]:
        """Those that are assigned here, and not as a standby."""
        topic = self.changelog_topic
        return {tp.partition for tp in self._app.assignor.assigned_actives() if tp.topic == topic}

    def to_write(self, key: bytes) -> int:
        """The one that a key belongs to.

        Raises:
            RuntimeError: that is for an event to say, and none is being processed.
        """
        if self._table.use_partitioner:
            return self._by_hash(key)
        event = current_event()
        if event is None:
            raise RuntimeError(
                f"table {self._name!r}: the partition of a key is that of the event being "
                "processed, and there is none: write from an agent, or set use_partitioner=True"
            )
        return event.message.partition

    def to_search(self, key: bytes) -> list[int]:
        """Those to look in for a key, the likeliest first."""
        if self._table.use_partitioner:
            return [self._by_hash(key)]
        event = current_event()
        if event is None:
            return sorted(self.active())
        here = event.message.partition
        # Every worker may read all of a global table; the event's own partition comes first.
        return [here, *sorted(self.active() - {here})] if self._table.is_global else [here]

    def _by_hash(self, key: bytes) -> int:
        return self._app.producer.key_partition(self.changelog_topic, key).partition
