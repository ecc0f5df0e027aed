"""Names of everything kept in Redis. The layout's version is part of the prefix.

All keys of a partition share one hash tag, and all keys of the publisher another, so each script
touches one slot of a Redis Cluster.
"""

from typing import Final

LAYOUT_VERSION: Final = 1
"""Raised when the meaning of a key changes; what an older version wrote is then not misread."""


class Keys:
    """Key names under one prefix.

    Args:
        prefix: what the deployment calls its keys, ``cx`` unless configured.
    """

    def __init__(self, prefix: str = "cx") -> None:
        self.prefix = f"{prefix}:{LAYOUT_VERSION}:"
        publisher = f"{self.prefix}{{publisher}}:"
        self.lease = f"{publisher}lease"
        self.lease_epoch = f"{publisher}epoch"
        self.status = f"{publisher}status"
        self.readings = f"{publisher}readings"
        self.updates = f"{publisher}updates"
        self.alerts = f"{publisher}alerts"
        self.outbox = f"{publisher}outbox"
        self.silences = f"{publisher}silences"
        self.cursors = f"{publisher}cursors"
        self.undelivered = f"{publisher}undelivered"
        self.partitions = f"{self.prefix}partitions"
        self.identity_key = f"{self.prefix}identity-key"

    def told(self, receiver: str) -> str:
        """Hash of fingerprint → JSON of what a receiver was told of an alert last."""
        return f"{self.prefix}{{publisher}}:told:{receiver}"

    def partition(self, topic: str, partition: int) -> "PartitionKeys":
        """The keys of one partition's state."""
        return PartitionKeys(f"{self.prefix}{{{topic}-{partition}}}:")

    def segments(self, names: tuple[str, ...]) -> str:
        """The admitted segments of one set of dimensions."""
        return f"{self.prefix}{{segments}}:{','.join(names)}"

    def bases(self, base: str) -> tuple[str, str, str]:
        """The clocks, snapshots and state of a base's register."""
        tag = f"{self.prefix}{{bases}}:{base}:"
        return f"{tag}clocks", f"{tag}snapshots", f"{tag}state"


class PartitionKeys:
    """The keys of one partition.

    Attributes:
        base: what they all begin with; scripts build the names of panes and generations from it.
        meta: hash: epoch, owner, offset, seq, clock, watermark, open_sessions, lag, log,
            complete_from, rebuild_to, topic_id, customers, customers_since, stat:….
        panes: set of ``<pane_ms>:<start_ms>``, one for each pane there is.
        generations: set of the numbers of remembered id generations.
        sessions: hash of keyed session hash → encoded entry.
        log: stream of flushed deltas, for the reader.
        probe: where a claim tries what it may do; empty before and after.
    """

    def __init__(self, base: str) -> None:
        self.base = base
        self.meta = f"{base}meta"
        self.panes = f"{base}panes"
        self.generations = f"{base}generations"
        self.sessions = f"{base}sessions"
        self.log = f"{base}log"
        self.probe = f"{base}probe"

    def pane(self, name: str) -> str:
        """Hash of ``<series>|<measure>`` → count, for the pane ``<pane_ms>:<start_ms>``.

        Samples of what was observed are beside the counts, under ``~<series>|<measure>``.
        """
        return f"{self.base}p:{name}"

    def customers(self, generation: int) -> str:
        """Hash of the 8-byte keyed hash of a customer id → what is known of the orders."""
        return f"{self.base}customers:{generation}"

    def ids(self, generation: int) -> str:
        """String of 8-byte id fingerprints."""
        return f"{self.base}ids:{generation}"

    def contents(self, generation: int) -> str:
        """String of 4-byte record fingerprints, in the order of the ids."""
        return f"{self.base}contents:{generation}"
