"""A Faust table store on Redis: ``app = faust.App(…, store="redis://127.0.0.1:6379/0")``.

For ordinary Faust tables, which have a changelog topic. It is registered by the entry point
``faust.stores``, so any app in an environment with this package can name it by its URL. (Faust
reads entry points when the first store is looked up by name or URL; before that
``dict(faust.stores.STORES)`` does not list ``redis``.)

**Layout.** One Redis hash for each (app id, table, partition)::

    cx:store:1:{app/table/partition}    "=" + key → value      one field for each table key
                                        "@"       → offset ":" changelog topic

App id and table name are percent-encoded, so no two tables share a hash; the 1 is the layout's
version. Data and offset are one Redis key: eviction, expiry, a rename or a cluster's slot migration
takes both or neither.

**The offset never runs ahead of the data**, for then a restart would skip records that Redis does
not hold. A changelog batch and its offset are one atomic script, which skips records at or below
the stored offset. A live write reaches Redis before Kafka acknowledges its changelog record, and
the offset follows only if (a) no write to the partition has failed since its last recovery, and
(b) Redis still holds the offset that this store saw last: if it was emptied or restored from an
older copy, the offset stays where it is, and the next start replays the rest.

**One copy for all workers.** Standbys have nothing to do, and a batch is applied only to a
partition that is active here, and only until its recovery is complete: after that, whoever wrote a
changelog record has written it to Redis as well, and an echo could only replace a newer value.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import quote

from faust.stores.base import SerializedStore
from faust.tables.objects import ChangeloggedObjectManager
from faust.types import TP
from faust.types.stores import KT, VT
from redis.exceptions import RedisError

from processor.state.redis_url import parse_redis_url, redact, sync_client
from processor.state.store_partitions import TablePartitions
from processor.state.store_scripts import ADVANCE, APPLY, CLEAR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    import redis
    from faust.types import AppT, CollectionT, EventT
    from yarl import URL

LAYOUT_VERSION: Final = 1
DEFAULT_PREFIX: Final = "cx:"
OPTIONS: Final = frozenset({"prefix", "password", "timeout_s", "connect_timeout_s", "retries"})
SCAN_CHUNK: Final = 500
"""Fields asked for in one HSCAN: large enough to hide the round trip, small enough not to block."""

_OFFSET_FIELD: Final = b"@"
_DATA_MARK: Final = b"="
_NONE: Final = -1  # "no offset", as Faust's recovery writes it


class RedisStoreError(RuntimeError):
    """Redis refused or did not answer; names the table and the URL without its password."""


class RedisStore(SerializedStore[KT, VT]):
    """Keeps a Faust table in Redis, shared by all workers of the app.

    A worker's reads and writes go to the partition of the event being processed, as with Faust's
    RocksDB store; to the changelog partition that the producer picks where the table has
    ``use_partitioner``. Outside of an event, reads and deletes look in all partitions active here,
    and iteration always covers these.

    Every call blocks the event loop for a round trip, bounded by time-outs: a call gives up after
    at most ``(retries + 1)`` attempts. Each command leaves the same state when repeated, so all are
    retried on lost connections and time-outs.

    The sets of an ``app.SetTable`` live in the worker's memory and come back from their changelog,
    as with Faust's memory store; Redis does not hold them.

    As with Faust's other persistent stores, the state is written before the source offset is
    committed: after a crash some events are processed again, on top of the state they left.

    Args:
        url: ``redis://``, ``rediss://``, ``redis+sentinel://`` or ``rediss+sentinel://``; see
            `processor.state.redis_address`. Faust reads no URL of several hosts with ports:
            name Sentinels without theirs, ``redis+sentinel://s1,s2,s3/mymaster``. A cluster is
            refused.
        app: The app; its id is part of the keys.
        table: The table this is the store of.
        options: ``app.Table(options={…})``: ``prefix`` of all keys (default ``cx:``),
            ``password`` (rather than in the URL, which Faust prints when a worker starts),
            ``timeout_s`` and ``connect_timeout_s`` (seconds, 2 each), ``retries`` (3).
        **kwargs: What `faust.stores.base.Store` takes.

    Raises:
        ValueError: The URL is not valid or that of a cluster, or an option is unknown.
    """

    def __init__(
        self,
        url: str | URL,
        app: AppT,
        table: CollectionT,
        *,
        options: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(url, app, table, options=options, **kwargs)
        settings = dict(options or {})
        if unknown := sorted(settings.keys() - OPTIONS):
            raise ValueError(
                f"table {self.table_name!r}: unknown store option {', '.join(unknown)}; "
                f"known are {', '.join(sorted(OPTIONS))}"
            )
        if parse_redis_url(str(url)).is_cluster:
            raise ValueError(
                f"table {self.table_name!r}: this store keeps tables on one server, or on one that "
                f"Sentinels name; {redact(str(url))} is a cluster"
            )
        prefix = settings.pop("prefix", DEFAULT_PREFIX)
        owner = f"{quote(app.conf.id, safe='')}/{quote(self.table_name, safe='')}"
        self._key_start = f"{prefix}store:{LAYOUT_VERSION}:{{{owner}/"
        self._client: redis.Redis = sync_client(
            str(url), **{"timeout_s": 2.0, "connect_timeout_s": 2.0} | settings
        )
        self._seen_offsets: dict[int, int] = {}
        self._partitions = TablePartitions(app, self.table, self.table_name)
        # Partitions whose data may lack changelog records above the stored offset.
        self._incomplete: set[int] = set()
        self._recovered: set[int] = set()

    # -- the service

    async def on_start(self) -> None:
        """Check that Redis answers, so that a wrong address stops the worker with a clear error."""
        with self._errors("connect"):
            self._client.ping()

    async def on_stop(self) -> None:
        """Close the connections; a later call opens new ones."""
        self._client.close()

    @property
    def label(self) -> str:
        """Short description for logs, without the password."""
        return f"{type(self).__name__}: {redact(str(self.url))}"

    def _repr_info(self) -> str:
        return f"table_name={self.table_name} url={redact(str(self.url))}"

    # -- offsets and recovery

    def persisted_offset(self, tp: TP) -> int | None:
        """Return the changelog offset up to which Redis holds this partition, or None.

        Faust asks at the beginning of every recovery. Always None for a set table, whose changelog
        is read in full.
        """
        if self._holds_changelogged_objects():
            return None
        with self._errors("read the offset"):
            field = cast("bytes | None", self._client.hget(self._key(tp.partition), "@"))
        offset = _NONE
        if field is not None:
            number, _, topic = field.partition(b":")
            offset = int(number) if topic.decode() == tp.topic else _NONE
        self._compare_with_seen(tp, offset)
        self._seen_offsets[tp.partition] = offset
        self._recovered.discard(tp.partition)
        return None if offset == _NONE else offset

    def set_persisted_offset(self, tp: TP, offset: int) -> None:
        """Remember that Redis holds this partition up to ``offset``; never moves it back.

        Does nothing where that might be untrue (see the module's docstring). Where Redis does not
        answer, the offset lags behind, which only makes the next recovery longer.
        """
        if self._holds_changelogged_objects() or tp.partition in self._incomplete:
            return
        expected = self._seen_offsets.get(tp.partition, _NONE)
        try:
            stored = cast(
                "int",
                self._client.eval(ADVANCE, 1, self._key(tp.partition), tp.topic, expected, offset),
            )
        except RedisError as exc:
            self.log.warning(
                "%s: changelog offset %s of %s not stored: %s", self.label, offset, tp, exc
            )
            return
        self._compare_with_seen(tp, stored)
        self._seen_offsets[tp.partition] = max(stored, offset)

    async def need_active_standby_for(self, tp: TP) -> bool:  # noqa: ARG002
        """Return False: Redis holds the only copy, and all workers see it."""
        return False

    async def on_recovery_completed(self, active_tps: set[TP], standby_tps: set[TP]) -> None:  # noqa: ARG002
        """Trust the partitions that were brought up to date; from now on ignore their changelog."""
        partitions = {tp.partition for tp in active_tps}
        self._incomplete -= partitions
        self._recovered |= partitions

    def apply_changelog_batch(
        self,
        batch: Iterable[EventT[Any]],
        to_key: Callable[[Any], KT],  # noqa: ARG002
        to_value: Callable[[Any], VT],  # noqa: ARG002
    ) -> None:
        """Write changelog records to the partitions recovering here; their offsets with them.

        One round trip, and atomic for each partition. Records of partitions that are not active
        here, of other topics, or already in Redis are left out.

        Raises:
            TypeError: A record has no key.
            RedisStoreError: Redis did not answer; the batch may be sent again.
        """
        actives = self._partitions.active()
        topic = self._partitions.changelog_topic
        arguments: dict[int, list[bytes | str | int]] = {}
        last_offsets: dict[int, int] = {}
        for event in batch:
            message = event.message
            partition = message.partition
            if message.topic != topic or partition not in actives or partition in self._recovered:
                continue
            if message.key is None:
                raise TypeError(f"Changelog entry is missing key: {message}")
            field = _DATA_MARK + message.key
            value = message.value
            record = ("del", field, b"") if value is None else ("set", field, value)
            arguments.setdefault(partition, []).extend((message.offset, *record))
            last_offsets[partition] = max(message.offset, last_offsets.get(partition, _NONE))
        if not arguments:
            return
        with self._errors("apply a changelog batch"):
            pipeline = self._client.pipeline(transaction=False)
            for partition, records in arguments.items():
                expected = self._seen_offsets.get(partition, _NONE)
                pipeline.eval(APPLY, 1, self._key(partition), topic, expected, *records)
            stored_offsets = pipeline.execute()
        for (partition, last), stored in zip(last_offsets.items(), stored_offsets, strict=True):
            self._compare_with_seen(TP(topic, partition), stored)
            self._seen_offsets[partition] = max(stored, last)

    def _compare_with_seen(self, tp: TP, stored: int) -> None:
        expected = self._seen_offsets.get(tp.partition, _NONE)
        if stored < expected:
            self._incomplete.add(tp.partition)
            self.log.error(
                "%s: Redis held %s up to changelog offset %s and now only up to %s: it was emptied "
                "or restored from an older copy. Values may be missing until this partition is "
                "recovered: restart the worker",
                self.label,
                tp,
                expected,
                "none" if stored == _NONE else stored,
            )

    def _holds_changelogged_objects(self) -> bool:
        return isinstance(cast("Any", self.table).data, ChangeloggedObjectManager)

    def _key(self, partition: int) -> str:
        return f"{self._key_start}{partition}}}"

    # -- the mapping

    def __setitem__(self, key: KT, value: VT) -> None:
        # Faust hands over a set as it was before the change, and after a recovery lets the store
        # overrule the changelog: storing it would lose the last change of each set.
        if not self._holds_changelogged_objects():
            super().__setitem__(key, value)

    def _get(self, key: bytes) -> bytes | None:
        partitions = self._partitions.to_search(key)
        field = _DATA_MARK + key
        with self._errors("read"):
            if len(partitions) == 1:
                return cast("bytes | None", self._client.hget(self._key(partitions[0]), field))
            pipeline = self._client.pipeline(transaction=False)
            for partition in partitions:
                pipeline.hget(self._key(partition), field)
            return next((value for value in pipeline.execute() if value is not None), None)

    def _contains(self, key: bytes) -> bool:
        return self._get(key) is not None

    def _set(self, key: bytes, value: bytes | None) -> None:
        self._write([(key, value)])

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Set many keys, in one round trip; takes what `dict.update` takes."""
        items = cast("dict[KT, VT]", dict(*args, **kwargs))
        self._write([(self._encode_key(k), self._encode_value(v)) for k, v in items.items()])

    def _write(self, items: list[tuple[bytes, bytes | None]]) -> None:
        if not items:
            return
        placed = [(self._partitions.to_write(key), key, value) for key, value in items]
        with self._errors("write", {partition for partition, _, _ in placed}):
            pipeline = self._client.pipeline(transaction=False)
            for partition, key, value in placed:
                if value is None:  # a tombstone in the changelog, so no key here either
                    pipeline.hdel(self._key(partition), _DATA_MARK + key)
                else:
                    pipeline.hset(self._key(partition), _DATA_MARK + key, value)
            pipeline.execute()

    def __delitem__(self, key: KT) -> None:
        if not self._delete(self._encode_key(key)):
            raise KeyError(key)

    def _del(self, key: bytes) -> None:
        self._delete(key)

    def _delete(self, key: bytes) -> bool:
        partitions = self._partitions.to_search(key)
        with self._errors("delete", set(partitions)):
            pipeline = self._client.pipeline(transaction=False)
            for partition in partitions:
                pipeline.hdel(self._key(partition), _DATA_MARK + key)
            return any(pipeline.execute())

    def _decode_key(self, key: bytes | None) -> KT:
        # JSON has no tuples: without this the keys of windowed tables come back as lists.
        return cast("KT", cast("Any", self.table)._to_key(super()._decode_key(key)))  # noqa: SLF001

    def _iteritems(self) -> Iterator[tuple[bytes, bytes]]:
        for partition in sorted(self._partitions.active()):
            seen: set[bytes] = set()  # HSCAN may repeat fields while the hash grows
            cursor = 0
            while True:
                with self._errors("iterate"):
                    cursor, chunk = cast(
                        "tuple[int, dict[bytes, bytes]]",
                        self._client.hscan(self._key(partition), cursor, count=SCAN_CHUNK),
                    )
                for field, value in chunk.items():
                    if field.startswith(_DATA_MARK) and field not in seen:
                        seen.add(field)
                        yield field.removeprefix(_DATA_MARK), value
                if cursor == 0:
                    break

    def _iterkeys(self) -> Iterator[bytes]:
        return (key for key, _ in self._iteritems())

    def _itervalues(self) -> Iterator[bytes | None]:
        return (value for _, value in self._iteritems())

    def _size(self) -> int:
        with self._errors("count"):
            pipeline = self._client.pipeline(transaction=False)
            for partition in sorted(self._partitions.active()):
                pipeline.hlen(self._key(partition))
                pipeline.hexists(self._key(partition), "@")
            counts = pipeline.execute()
        return sum(map(int, counts[::2])) - sum(map(int, counts[1::2]))

    def copy(self) -> dict[KT, VT]:
        """Return a dict of what the partitions active here hold now."""
        return dict(self.items())

    def _clear(self) -> None:
        partitions = self._partitions.active()
        with self._errors("clear", partitions):
            pipeline = self._client.pipeline(transaction=False)
            for partition in sorted(partitions):
                pipeline.eval(CLEAR, 1, self._key(partition))
            pipeline.execute()

    # -- care

    def reset_state(self) -> None:
        """Remove all partitions of this table from Redis, and nothing else.

        They are shared: run ``faust reset`` only while no worker of the app runs.
        """
        pattern = re.sub(r"([*?\[\]\\])", r"\\\1", self._key_start) + "*"
        with self._errors("reset"):
            for key in self._client.scan_iter(match=pattern, count=SCAN_CHUNK):
                self._client.unlink(key)
        self._seen_offsets.clear()

    async def backup_partition(
        self,
        tp: TP | int,
        flush: bool = True,  # noqa: ARG002
        purge: bool = False,  # noqa: ARG002
        keep: int = 1,  # noqa: ARG002
    ) -> None:
        """Do nothing but say so: Redis has its own snapshots and append-only file."""
        self.log.warning("%s: no backup of %s: back up Redis itself (BGSAVE)", self.label, tp)

    def restore_backup(
        self,
        tp: TP | int,
        latest: bool = True,  # noqa: ARG002
        backup_id: int = 0,  # noqa: ARG002
    ) -> None:
        """Do nothing but say so: restore Redis from its own snapshot or append-only file."""
        self.log.warning("%s: %s not restored: restore Redis itself", self.label, tp)

    @contextmanager
    def _errors(self, doing: str, written: set[int] | None = None) -> Iterator[None]:
        try:
            yield
        except RedisError as exc:
            # Their changelog records may be on the way to Kafka already.
            self._incomplete |= written or set()
            raise RedisStoreError(
                f"table {self.table_name!r} of app {self.app.conf.id!r}: cannot {doing}, Redis at "
                f"{redact(str(self.url))}: {exc}"
            ) from exc
