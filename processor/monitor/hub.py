"""The hub: one reader of Redis for all clients of the monitor.

It keeps all readings in memory, follows the publisher's ticks, and hands what changed to those who
follow, encoded once for each distinct filter. It never waits for a client: one whose queue is full
is dropped, and the others do not notice.

Whatever may have made it miss something (a lost connection, another leader, a revision that went
back, a long sleep) makes it ask whether the last update it knows is still there. If not, everything
is read anew, and every client is sent a snapshot.
"""

import asyncio
import logging
from collections.abc import Iterable
from typing import Final

from pydantic_core import to_json
from redis.exceptions import RedisError

from processor.monitor.alerts import AlertBoard
from processor.monitor.clients import HEARTBEAT, Client, event
from processor.monitor.filters import Filter
from processor.monitor.ring import Place, Ring
from processor.monitor.rows import Row, RowMaker
from processor.monitor.status import StatusBoard
from processor.state.cancelling import cancel_until_done
from processor.state.live import LiveReadings
from processor.state.updates import START, Update, Updates

log = logging.getLogger(__name__)

_WAIT_MS: Final = 250
_LOOK_S: Final = 1.0
"""How often the partitions' progress and the alerts are looked at, and a status is told."""

_SHORTEST_TICK_S: Final = 0.05
_HEARTBEAT_S: Final = 15.0
_RETRY_S: Final = 0.25
_SLEPT_S: Final = 10.0
"""A round that took longer is one of a process that was suspended."""

_RING_LOADED: Final = 200
_RING_AT_ONCE: Final = 10


class TooManyClients(Exception):  # noqa: N818 - reads as what it is
    """The stream has as many clients as it may have."""


class _Group:
    """The clients of one filter."""

    def __init__(self, wanted: Filter) -> None:
        self._filter = wanted
        self._wants: dict[str, bool] = {}
        self.clients: set[Client] = set()
        self.told: object = None

    def wants(self, row: Row) -> bool:
        """Whether its clients want a row; a series is looked at once."""
        wanted = self._wants.get(row.key)
        if wanted is None:
            wanted = self._wants[row.key] = self._filter.matches(row)
        return wanted


class Hub:
    """Follows Redis, and is followed.

    Args:
        updates: of the publisher; its client is the hub's alone.
        live: reads the status and the partitions' progress.
        rows: makes rows of readings.
        alerts: reads the alerts.
        stale_after_s: a tick older than this is stale.
        clients_max: the most clients of the stream.

    Attributes:
        rows: every reading there is, by key.
        metrics: names of metrics that have readings.
        windows: names of windows that have readings.
        status: what the publisher said last.
        alerts: what the alerts are.
        error: why Redis was not read, ``None`` while it answers.
    """

    def __init__(
        self,
        updates: Updates,
        live: LiveReadings,
        rows: RowMaker,
        alerts: AlertBoard,
        *,
        stale_after_s: float,
        clients_max: int,
    ) -> None:
        self._updates = updates
        self._live = live
        self._make = rows
        self._clients_max = clients_max
        self._groups: dict[Filter, _Group] = {}
        self._ring = Ring()
        self._entry_id, self._entry_revision = START, 0
        self._loaded = False
        self._suspect = False
        self._sorted: list[str] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._looked_at = self._round_at = self._status_at = 0.0
        self.rows: dict[str, Row] = {}
        self.metrics: set[str] = set()
        self.windows: set[str] = set()
        self.status = StatusBoard(stale_after_s)
        self.alerts = alerts
        self.error: str | None = "not read yet"
        self.clients = 0
        self.dropped = 0

    # -- those who ask --------------------------------------------------------------------------

    @property
    def place(self) -> Place:
        """Where the readings in memory are in the stream."""
        return Place(self.status.revision, self._entry_id)

    def keys(self) -> list[str]:
        """The keys of all readings, in order."""
        if self._sorted is None:
            self._sorted = sorted(self.rows)
        return self._sorted

    def subscribe(self, wanted: Filter, since: Place | None = None) -> Client:
        """Follow readings: what was missed since a place, or a snapshot, and then every change.

        Raises:
            TooManyClients: there is no place; try later.
        """
        if self.clients >= self._clients_max:
            raise TooManyClients
        group = self._groups.setdefault(wanted, _Group(wanted))
        client = Client()
        group.clients.add(client)
        self.clients += 1
        missed = None if since is None else self._ring.since(since)
        if missed is None:
            client.put(self._snapshot(group))
        else:
            rows = [self.rows[key] for key in missed if key in self.rows]
            client.put(self._readings(group, rows))
        # Also where there are none: who comes back may still believe in some.
        client.put(self._alerts())
        return client

    def leave(self, wanted: Filter, client: Client) -> None:
        """Do not follow any more."""
        group = self._groups.get(wanted)
        if group is None or client not in group.clients:
            return
        group.clients.discard(client)
        self.clients -= 1
        if not group.clients:
            del self._groups[wanted]

    # -- its life -------------------------------------------------------------------------------

    def start(self) -> None:
        """Follow Redis until stopped."""
        self._tasks = [
            asyncio.create_task(self._follow(), name="hub: updates"),
            asyncio.create_task(self._tell_status(), name="hub: status"),
            asyncio.create_task(self._beat(), name="hub: heartbeat"),
        ]

    async def stop(self) -> None:
        """End, and say goodbye to all clients."""
        self.say_goodbye("stopping")
        await cancel_until_done(self._tasks)

    def say_goodbye(self, reason: str) -> None:
        """Close all clients."""
        for group in self._groups.values():
            for client in group.clients:
                client.close(reason)

    # -- following ------------------------------------------------------------------------------

    async def _follow(self) -> None:
        while True:
            try:
                await self._round()
                self.error = None
            except (RedisError, OSError, TimeoutError) as error:
                if self.error is None:
                    log.warning("Redis does not answer, readings grow stale: %s", error)
                self.error = f"{type(error).__name__}: {error}"
                self._suspect = True
                await asyncio.sleep(_RETRY_S)
            except (ValueError, KeyError, TypeError) as error:
                # What is stored is not what a publisher writes: read it again, a little later.
                log.exception("the published readings could not be read")
                self.error = f"{type(error).__name__}: {error}"
                self._loaded = False
                await asyncio.sleep(_LOOK_S)

    async def _round(self) -> None:
        clock = asyncio.get_running_loop().time
        if clock() - self._round_at > _SLEPT_S:
            self._suspect = True
        if not self._loaded or (self._suspect and not await self._is_continuous()):
            await self._load()
        self._suspect = False
        updates = await self._updates.after(self._entry_id, wait_ms=_WAIT_MS)
        if updates or clock() - self._looked_at >= _LOOK_S:
            await self._read_status()
        if self._suspect and not await self._is_continuous():
            self._loaded = False
            return
        if updates:
            self._apply(updates)
        if clock() - self._looked_at >= _LOOK_S:
            self._looked_at = clock()
            self.status.progress(await self._live.partitions())
            if await self.alerts.read():
                self._to_all(self._alerts())
        self._round_at = clock()

    async def _is_continuous(self) -> bool:
        if self._entry_id == START:
            return False
        return await self._updates.holds(self._entry_id, self._entry_revision)

    async def _read_status(self) -> None:
        before, status = self.status.last, await self._live.status()
        clock_s = asyncio.get_running_loop().time()
        seconds, self._status_at = clock_s - self._status_at, clock_s
        if before is not None and (
            status is None
            or status.leader != before.leader
            or not 0 <= status.revision - before.revision <= _ticks_within(seconds)
        ):
            self._suspect = True
            if status is None or status.revision < before.revision:
                self._entry_id = START  # Redis went back: what it holds is not what it held
        self.status.show(status)

    async def _load(self) -> None:
        # What the next status is compared with is of now, not of when this machine was started.
        self._status_at = asyncio.get_running_loop().time()
        loaded = await self._updates.load()
        rows = [self._make.row(reading) for reading in loaded.readings]
        self.status.progress(await self._live.partitions())
        alerts_changed = await self.alerts.read()
        self.rows = {row.key: row for row in rows}
        self._sorted = None
        self._learn_names(rows)
        self.status.show(loaded.status)
        self._entry_id, self._entry_revision = loaded.entry_id, loaded.revision
        await self._load_ring()
        self._loaded = True
        log.info("%d readings, revision %d", len(rows), self.status.revision)
        for group in self._groups.values():
            self._send(group, self._snapshot(group))
        if alerts_changed:
            self._to_all(self._alerts())

    async def _load_ring(self) -> None:
        """What changed before: clients go on where they were, also after a restart of ours."""
        self._ring.clear()
        kept: list[tuple[Place, list[str]]] = []
        before, number = self._entry_id, 0
        while before != START and len(kept) < _RING_LOADED:
            found = await self._updates.before(before, _RING_AT_ONCE)
            new = found if not kept else found[1:]
            for update in new:
                keys = [self._make.key(reading) for reading in update.readings]
                number += len(keys)
                kept.append((Place(update.revision, update.entry_id), keys))
            if not new or number > self._ring.keys_max:
                break
            before = new[-1].entry_id
        for place, keys in reversed(kept):
            self._ring.add(place, keys)

    def _apply(self, updates: Iterable[Update]) -> None:
        changed: dict[str, Row] = {}
        for update in updates:
            rows = [self._make.row(reading) for reading in update.readings]
            changed.update((row.key, row) for row in rows)
            self._entry_id, self._entry_revision = update.entry_id, update.revision
            self._ring.add(Place(update.revision, update.entry_id), [row.key for row in rows])
        self._learn_names([row for key, row in changed.items() if key not in self.rows])
        self.rows.update(changed)
        rows = list(changed.values())
        status = self._status_json()
        for group in self._groups.values():
            wanted = [row for row in rows if group.wants(row)]
            if wanted:
                self._send(group, self._readings(group, wanted, status))

    def _learn_names(self, new: list[Row]) -> None:
        if new:
            self._sorted = None
            self.metrics.update(row.metric for row in new)
            self.windows.update(row.window for row in new)

    # -- telling --------------------------------------------------------------------------------

    async def _tell_status(self) -> None:
        """A status to those who were not sent one with readings since the last tick."""
        while True:
            await asyncio.sleep(_LOOK_S)
            said = self._said()
            message = None
            for group in self._groups.values():
                if group.told != said:
                    group.told = said
                    message = message or event(
                        "status", b'{"status":%s}' % self._status_json(), str(self.place)
                    )
                    self._send(group, message)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(_HEARTBEAT_S)
            self._to_all(HEARTBEAT)

    def _said(self) -> object:
        shown = self.status.as_dict()
        del shown["age_s"]
        return shown

    def _alerts(self) -> bytes:
        return event("alerts", self.alerts.json, str(self.place))

    def _to_all(self, message: bytes) -> None:
        for group in self._groups.values():
            self._send(group, message)

    def _send(self, group: _Group, message: bytes) -> None:
        for client in group.clients:
            if not client.closed.is_set() and not client.put(message):
                self.dropped += 1
                client.close("too slow: its messages were not read")

    def _snapshot(self, group: _Group) -> bytes:
        rows = (self.rows[key] for key in self.keys())
        return self._message("snapshot", group, [r for r in rows if group.wants(r)])

    def _readings(self, group: _Group, rows: Iterable[Row], status: bytes | None = None) -> bytes:
        return self._message("readings", group, [r for r in rows if group.wants(r)], status)

    def _message(
        self, name: str, group: _Group, rows: list[Row], status: bytes | None = None
    ) -> bytes:
        group.told = self._said()
        data = b'{"status":%s,"readings":[%s]}' % (
            status or self._status_json(),
            b",".join([row.json for row in rows]),
        )
        return event(name, data, str(self.place))

    def _status_json(self) -> bytes:
        return to_json(self.status.as_dict())


def _ticks_within(seconds: float) -> int:
    """The most ticks in so many seconds; a leader that begins anew counts far beyond."""
    return 100 + int(seconds / _SHORTEST_TICK_S)
