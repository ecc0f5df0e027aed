"""The pane table: a Faust table whose rows live in Redis and whose writes are whole flushes.

It has no changelog: Redis is the truth for state, and the events' own topics are the log that it
can be rebuilt from. So it is started by its owner and not registered in ``app.tables``, which
would give it one.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from typing import Any, ClassVar, NamedTuple, NoReturn

import faust
from faust.stores import base
from faust.types import AppT, StoreT
from redis import Redis as SyncRedis
from redis.asyncio import Redis
from yarl import URL

from processor.core.panes import Tier
from processor.state.customers import Remembering
from processor.state.keys import Keys
from processor.state.partition import REMEMBERING, PartitionStore
from processor.state.redis_url import parse_redis_url, sync_client
from processor.state.replies import text
from processor.state.samples import MARK


class PaneKey(NamedTuple):
    """One row of the table: a pane of a partition."""

    topic: str
    partition: int
    pane_ms: int
    start_ms: int


class ReadOnlyError(TypeError):
    """A row was set or deleted; rows change by flushes only."""


class PaneStore(base.Store[PaneKey, dict[str, int]]):
    """The rows as a mapping, read from Redis: ``{"<series>|<measure>": count}`` by pane."""

    def __init__(
        self, *args: Any, keys: Keys, new_client: Callable[[], SyncRedis], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._keys = keys
        self._new_client = new_client

    @cached_property
    def _client(self) -> SyncRedis:
        return self._new_client()  # that of a cluster connects at once: not before it is needed

    def __getitem__(self, key: PaneKey) -> dict[str, int]:
        keys = self._keys.partition(key.topic, key.partition)
        row = self._client.hgetall(keys.pane(f"{key.pane_ms}:{key.start_ms}"))
        if not row:
            raise KeyError(key)
        counters = {text(field): count for field, count in row.items()}
        return {name: int(n) for name, n in counters.items() if not name.startswith(MARK)}

    def __iter__(self) -> Iterator[PaneKey]:
        for member in sorted(self._client.smembers(self._keys.partitions)):
            topic, _, partition = text(member).rpartition(" ")
            keys = self._keys.partition(topic, int(partition))
            for name in sorted(self._client.smembers(keys.panes)):
                pane_ms, start_ms = map(int, text(name).split(":"))
                yield PaneKey(topic, int(partition), pane_ms, start_ms)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, PaneKey) and bool(
            self._client.exists(
                self._keys.partition(key.topic, key.partition).pane(f"{key.pane_ms}:{key.start_ms}")
            )
        )

    def __setitem__(self, key: PaneKey, value: Any) -> NoReturn:
        raise ReadOnlyError("panes change by flushes only: see PaneTable.partition")

    def __delitem__(self, key: PaneKey) -> NoReturn:
        raise ReadOnlyError("panes are dropped by flushes only: see PaneTable.partition")

    def clear(self) -> NoReturn:
        """Refuse: state is dropped by its owner."""
        raise ReadOnlyError("panes are dropped by flushes only: see PaneTable.partition")

    def apply_changelog_batch(self, batch: Any, to_key: Any, to_value: Any) -> NoReturn:
        """Refuse: there is no changelog."""
        del batch, to_key, to_value
        raise ReadOnlyError("the pane table has no changelog")

    def reset_state(self) -> None:
        """Do nothing: nothing is kept on this machine."""

    async def backup_partition(
        self, tp: Any, flush: bool = True, purge: bool = False, keep: int = 1
    ) -> None:
        """Do nothing: backups are Redis's."""

    def restore_backup(self, tp: Any, latest: bool = True, backup_id: int = 0) -> None:
        """Do nothing: backups are Redis's."""


def _shown(url: str) -> URL:
    # Faust takes a URL of one host, and prints it.
    address = parse_redis_url(url)
    if not address.host:
        return URL.build(scheme=address.scheme, path=address.path)
    return URL.build(scheme=address.scheme, host=address.host, port=address.port)


class PaneTable(faust.Table[PaneKey, dict[str, int]]):
    """Counters by pane, for every partition.

    Args:
        app: the Faust app.
        client: for flushes; with bounded time-outs.
        url: the Redis that ``client`` talks to, for reading rows.
        keys: key names of the deployment.
        tiers: which panes are kept, and for how long.
        remembering: how long customers are remembered.
    """

    name_: ClassVar[str] = "cx-panes"

    def __init__(
        self,
        app: AppT,
        *,
        client: Redis,
        url: str,
        keys: Keys,
        tiers: Sequence[Tier],
        remembering: Remembering = REMEMBERING,
    ) -> None:
        super().__init__(app, name=self.name_, store=_shown(url))
        self._client = client
        self._url = url
        self._keys = keys
        self._tiers = tiers
        self._remembering = remembering

    def partition(self, topic: str, partition: int) -> PartitionStore:
        """The part of the table that one partition's owner writes."""
        return PartitionStore(
            self._client,
            self._keys,
            topic,
            partition,
            self._tiers,
            remembering=self._remembering,
        )

    def _new_store(self) -> StoreT[PaneKey, dict[str, int]]:
        return PaneStore(
            _shown(self._url),
            self.app,
            self,
            keys=self._keys,
            new_client=partial(sync_client, self._url),
        )

    async def on_start(self) -> None:
        """Start the store; declare no changelog."""
        await self.add_runtime_dependency(self.data)

    def on_key_set(self, key: PaneKey, value: dict[str, int]) -> None:
        """No changelog."""

    def on_key_del(self, key: PaneKey) -> None:
        """No changelog."""
