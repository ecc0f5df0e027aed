"""What a Faust table store must do: Faust's memory store and ours pass the same laws.

Where the memory store has no answer (partitions, offsets, several workers), the law is ours alone.
The apps are real and never started: an assignment is handed to the assignor as a rebalance would.
"""

import logging
import uuid
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, cast

import faust
import pytest
import redis
from faust.stores import STORES
from faust.streams import _current_event
from faust.types import TP, Message
from faust.types.events import EventT
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from processor.embedded.redis import EmbeddedRedis
from processor.embedded.server import free_port
from processor.state.redis_url import sync_client
from processor.state.store import RedisStore, RedisStoreError

if TYPE_CHECKING:
    from faust.assignor.partition_assignor import PartitionAssignor

pytestmark = pytest.mark.redis

APP_ID = "shop/v1"  # with a separator of our keys, to be kept apart by encoding
WINDOW_S = 10.0


class Worker:
    """One worker process of an app: its own app and table objects, and its assignment."""

    def __init__(self, store: str, prefix: str, app_id: str = APP_ID) -> None:
        # No agents run, so the broker is never asked.
        self.app = faust.App(app_id, broker="kafka://127.0.0.1:1", store=store)
        self.options: dict[str, Any] = {"prefix": prefix, "retries": 1}

    def assign(self, name: str, actives: set[int]) -> None:
        assignor = cast("PartitionAssignor", self.app.assignor)
        assignor._assignment.actives[f"{self.app.conf.id}-{name}-changelog"] = sorted(actives)

    def table(self, name: str = "orders", actives: set[int] | None = None, **kwargs: Any) -> Any:
        self.assign(name, {0} if actives is None else actives)
        return self.app.Table(name, options=self.options, **kwargs)

    def event(
        self,
        partition: int,
        key: bytes | None = b"",
        value: bytes | None = b"",
        *,
        topic: str = "source",
        offset: int = 0,
        timestamp: float = 0.0,
    ) -> EventT[Any]:
        message: Message = Message(topic, partition, offset, timestamp, 0, {}, key, value, None)
        codec = self.app.serializers
        return self.app.create_event(
            codec.loads_key(None, key, serializer="json") if key else key,
            codec.loads_value(None, value, serializer="json") if value else value,
            {},
            message,
        )

    def record(
        self, table: Any, partition: int, offset: int, key: Any, value: bytes | None
    ) -> EventT[Any]:
        """A record of the table's changelog; ``value`` as on the wire, None is a tombstone."""
        raw = self.app.serializers.dumps_key(table.key_type, key, serializer=table.key_serializer)
        return self.event(partition, raw, value, topic=table.changelog_topic_name, offset=offset)

    @contextmanager
    def processing(self, partition: int = 0, timestamp: float = 0.0) -> Iterator[None]:
        """As inside an agent that processes an event of this partition."""
        event = self.event(partition, timestamp=timestamp)
        token = _current_event.set(weakref.ref(event))
        try:
            yield
        finally:
            _current_event.reset(token)

    async def stop(self) -> None:
        for table in self.app.tables.values():
            if isinstance(store := table.data, RedisStore):
                await store.on_stop()
        if (consumer := self.app._consumer) is not None:  # made when a table asks for partitions
            cast("Any", consumer)._thread.thread_loop.close()


Start = Callable[..., Worker]


@pytest.fixture(params=["memory", "redis"])
def any_store(request: pytest.FixtureRequest) -> str:
    return "memory://" if request.param == "memory" else request.getfixturevalue("redis_url")


@pytest.fixture
async def start(redis_url: str, redis_prefix: str) -> Any:
    """Starts workers, on our store unless told, and stops them after the test."""
    workers: list[Worker] = []

    def start(store: str = redis_url, app_id: str = APP_ID) -> Worker:
        workers.append(Worker(store, redis_prefix, app_id))
        return workers[-1]

    yield start
    for worker in workers:
        await worker.stop()


@pytest.fixture
def server(redis_url: str) -> Iterator[redis.Redis]:
    with sync_client(redis_url) as client:
        yield client


# -- laws of both stores

KEYS = st.one_of(st.sampled_from(["a", "b", "ключ", "", "=", "@"]), st.text(max_size=3))
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.text(max_size=5),
    st.lists(st.integers(0, 9), max_size=3),
    st.dictionaries(st.text(max_size=2), st.integers(0, 9), max_size=2),
)


class MappingLaws(RuleBasedStateMachine):
    """A store against a dict, operation by operation."""

    def __init__(self, start: Callable[[], Worker]) -> None:
        super().__init__()
        self.worker = start()
        self.store = self.worker.table(f"t{uuid.uuid4().hex}").data
        self.model: dict[str, Any] = {}
        self.resources = ExitStack()
        self.resources.enter_context(self.worker.processing())

    @rule(key=KEYS, value=VALUES)
    def set_a_key(self, key: str, value: Any) -> None:
        self.store[key] = self.model[key] = value

    @rule(key=KEYS)
    def delete_a_key(self, key: str) -> None:
        if key in self.model:
            del self.store[key]
            del self.model[key]
        else:
            with pytest.raises(KeyError):
                del self.store[key]

    @rule(key=KEYS)
    def look_up_a_key(self, key: str) -> None:
        assert (key in self.store) == (key in self.model)
        assert self.store.get(key, "absent") == self.model.get(key, "absent")
        if key not in self.model:
            with pytest.raises(KeyError):
                self.store[key]

    @rule(key=KEYS, value=VALUES)
    def pop_and_set_default(self, key: str, value: Any) -> None:
        assert self.store.pop(key, "absent") == self.model.pop(key, "absent")
        assert self.store.setdefault(key, value) == self.model.setdefault(key, value)

    @rule(items=st.dictionaries(KEYS, VALUES, max_size=5))
    def update(self, items: dict[str, Any]) -> None:
        self.store.update(items)
        self.model.update(items)

    @precondition(lambda self: len(self.model) > 3)
    @rule()
    def clear(self) -> None:
        self.store.clear()
        self.model.clear()

    @invariant()
    def they_hold_the_same(self) -> None:
        assert dict(self.store.items()) == self.model == self.store.copy()
        assert sorted(self.store) == sorted(self.store.keys()) == sorted(self.model)
        assert sorted(map(repr, self.store.values())) == sorted(map(repr, self.model.values()))
        assert len(self.store) == len(self.model)

    def teardown(self) -> None:
        self.store.reset_state()
        self.resources.close()


async def test_a_store_is_a_mapping(any_store: str, start: Start) -> None:
    run_state_machine_as_test(
        cast("Any", lambda: MappingLaws(lambda: start(any_store))),
        settings=settings(
            max_examples=25,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )


async def test_a_batch_is_applied_in_order(any_store: str, start: Start) -> None:
    worker = start(any_store)
    table = worker.table()
    batch = [
        worker.record(table, 0, 0, "kept", b"1"),
        worker.record(table, 0, 1, "replaced", b"1"),
        worker.record(table, 0, 2, "deleted", b"1"),
        worker.record(table, 0, 3, "replaced", b"2"),
        worker.record(table, 0, 4, "deleted", None),
        worker.record(table, 0, 5, "never there", None),
        worker.record(table, 0, 6, "back", b"1"),
        worker.record(table, 0, 7, "back", None),
        worker.record(table, 0, 8, "back", b"3"),
        worker.record(table, 0, 9, "nothing", b"null"),
    ]
    table.apply_changelog_batch(batch[:4])
    table.apply_changelog_batch(batch[4:])
    table.apply_changelog_batch([])
    expected = {"kept": 1, "replaced": 2, "back": 3, "nothing": None}
    assert dict(table.data.items()) == expected


async def test_a_windowed_table_works(any_store: str, start: Start) -> None:
    #  0         10        20
    #  |-- 1+2 --|--- 5 ---|        one key, tumbling windows of 10 s
    worker = start(any_store)
    worker.assign("clicks-key_index", {0})
    windowed = worker.table("clicks", default=int).tumbling(WINDOW_S, expires=60, key_index=True)
    for timestamp, clicks in [(1.0, 1), (9.0, 2), (11.0, 5)]:
        with worker.processing(timestamp=timestamp):
            windowed["page"] += clicks
    with worker.processing(timestamp=12.0):
        assert windowed["page"].current() == 5
        assert windowed["page"].delta(WINDOW_S) == 3
        assert list(windowed.keys()) == ["page"]
    keys = sorted(windowed.table.data.keys())
    assert keys == [("page", (0.0, 9.9)), ("page", (10.0, 19.9))]  # tuples, as Faust made them
    # Faust's clean-up runs outside of any event.
    assert windowed.table.data.pop(keys[0]) == 3
    assert list(windowed.table.data.keys()) == keys[1:]


async def test_a_set_table_comes_back_from_its_changelog(any_store: str, start: Start) -> None:
    worker = start(any_store)
    worker.assign("tags", {0})
    tags: Any = worker.app.SetTable("tags", options=worker.options)
    with worker.processing():
        tags["page"].add("x")
        tags["page"].add("y")
    assert set(tags["page"]) == {"x", "y"}

    restarted = start(any_store)
    restarted.assign("tags", {0})
    tags = restarted.app.SetTable("tags", options=restarted.options)
    tp = TP(tags.changelog_topic_name, 0)
    assert tags.data.storage.persisted_offset(tp) is None
    tags.apply_changelog_batch(
        [restarted.record(tags, 0, n, [1, "page"], tag) for n, tag in enumerate([b'"x"', b'"y"'])]
    )
    await tags.on_recovery_completed({tp}, set())
    assert set(tags["page"]) == {"x", "y"}
    assert tags.data.storage.persisted_offset(tp) is None


# -- bytes, partitions, tables


async def test_raw_keys_and_values_are_any_bytes(start: Start) -> None:
    worker = start()
    store = worker.table(key_type=bytes, value_type=bytes).data
    items = {b"\x00\xff": b"\xfe", b"@": b"offset?", b"=": b"", b"": b"no name"}
    store.set_persisted_offset(TP("shop/v1-orders-changelog", 0), 7)
    with worker.processing():
        store.update(items)
        assert store.copy() == items
        assert all(key in store and store[key] == value for key, value in items.items())
        # A raw None is a tombstone in the changelog, so the key must be gone here as well.
        store[b"@"] = None
        assert b"@" not in store
    assert len(store) == 3


async def test_a_key_lives_in_the_partition_of_its_event(start: Start) -> None:
    worker = start()
    store = worker.table(actives={0, 1}).data
    for partition in (0, 1, 2):
        with worker.processing(partition):
            store["k"] = partition
            store[f"only {partition}"] = partition
            assert store["k"] == partition
    with worker.processing(0):
        assert "only 1" not in store
        del store["k"]
        assert "k" not in store
    assert store["k"] == 1  # outside of an event: wherever it is among the active partitions
    assert store.copy() == {"k": 1, "only 0": 0, "only 1": 1}  # 2 is not active here
    assert len(store) == 3
    with pytest.raises(RuntimeError, match="write from an agent"):
        store["k"] = 9


async def test_every_worker_reads_all_of_a_global_table(start: Start) -> None:
    writer, reader = start(), start()
    for worker in (writer, reader):  # Faust gives every worker all partitions of a global table
        worker.assign("rates", {0, 1})
    written = writer.app.GlobalTable("rates", options=writer.options)
    read = reader.app.GlobalTable("rates", options=reader.options)
    with writer.processing(1):
        written.data["EUR"] = 1.1
    with reader.processing(0):
        assert read.data["EUR"] == 1.1
        assert "USD" not in read.data


async def test_many_keys_are_iterated_once_each(start: Start) -> None:
    worker = start()
    store = worker.table().data
    with worker.processing():
        store.update({f"key {n}": n for n in range(5_000)})
        keys = list(store)
        assert len(keys) == len(set(keys)) == len(store) == 5_000
        for n, (key, value) in enumerate(store.items()):  # a change meanwhile hurts nobody
            assert key == f"key {value}"
            if n < 100:
                store[f"new {n}"] = -1
                del store[f"new {n}"]


async def test_tables_and_apps_in_one_redis_never_meet(start: Start) -> None:
    places = [("a/b", "c"), ("a", "b/c"), ("a", "b"), ("a", "b-1"), ("a", "b*"), ("a{x}", "b")]
    stores = []
    for app_id, name in places:
        worker = start(app_id=app_id.replace("/", ".").replace("{", "_").replace("}", "_"))
        worker.app.conf.id = app_id  # stricter than Kafka's topic names allow
        stores.append((worker, worker.table(name).data))
    for n, (worker, store) in enumerate(stores):
        with worker.processing():
            store["k"] = n
    assert [store.copy() for _, store in stores] == [{"k": n} for n in range(len(places))]
    stores[4][1].reset_state()
    assert [len(store) for _, store in stores] == [1, 1, 1, 1, 0, 1]


# -- offsets and several workers


async def test_offsets_survive_a_new_worker(start: Start) -> None:
    table = start().table()
    tp, other = TP(table.changelog_topic_name, 0), TP(table.changelog_topic_name, 1)
    assert table.persisted_offset(tp) is None
    table.data.set_persisted_offset(tp, 41)
    table.data.set_persisted_offset(tp, 40)
    again = start().table()
    assert again.persisted_offset(tp) == 41
    assert again.persisted_offset(other) is None
    assert again.persisted_offset(TP("another-changelog", 0)) is None
    assert len(again.data) == 0
    again.data.reset_state()
    assert again.persisted_offset(tp) is None


async def test_clear_keeps_the_offset(start: Start) -> None:
    worker = start()
    table = worker.table()
    tp = TP(table.changelog_topic_name, 0)
    table.apply_changelog_batch([worker.record(table, 0, 8, "k", b"1")])
    table.data.clear()
    assert len(table.data) == 0
    assert table.persisted_offset(tp) == 8


async def test_a_batch_stores_its_offset_and_skips_what_redis_holds(
    start: Start,
) -> None:
    worker = start()
    table = worker.table()
    tp = TP(table.changelog_topic_name, 0)
    table.apply_changelog_batch([worker.record(table, 0, n, "k", b"%d" % n) for n in (5, 6)])
    assert table.persisted_offset(tp) == 6
    table.apply_changelog_batch([worker.record(table, 0, n, "k", b"%d" % n) for n in (4, 5)])
    assert table.data.copy() == {"k": 6}
    assert table.persisted_offset(tp) == 6


async def test_only_the_owner_applies_a_batch(start: Start) -> None:
    owner, standby = start(), start()
    owned, watched = owner.table(actives={0}), standby.table(actives={1})
    assert not await watched.need_active_standby_for(TP(watched.changelog_topic_name, 0))
    with owner.processing(0):
        owned.data["k"] = 2
    watched.apply_changelog_batch(
        [
            standby.record(watched, 0, 3, "k", b"1"),
            standby.event(1, b'"k"', b"1", topic="another-changelog", offset=3),
        ]
    )
    assert owned.data.copy() == {"k": 2}
    assert len(watched.data) == 0
    assert watched.persisted_offset(TP(watched.changelog_topic_name, 0)) is None

    standby.assign("orders", {0, 1})  # the owner dies; its partition moves
    watched.apply_changelog_batch([standby.record(watched, 0, 4, "k", b"3")])
    assert watched.data.copy() == {"k": 3}


async def test_after_its_recovery_a_worker_ignores_echoes(start: Start) -> None:
    worker = start()
    table = worker.table()
    tp = TP(table.changelog_topic_name, 0)
    table.apply_changelog_batch([worker.record(table, 0, 0, "k", b"1")])
    await table.on_recovery_completed({tp}, set())
    with worker.processing():
        table.data["k"] = 3
    table.apply_changelog_batch([worker.record(table, 0, 1, "k", b"2")])
    assert table.data.copy() == {"k": 3}
    assert table.persisted_offset(tp) == 0  # Faust asks when the next recovery begins
    table.apply_changelog_batch([worker.record(table, 0, n, "k", b"%d" % (n + 1)) for n in (1, 2)])
    assert table.data.copy() == {"k": 3}
    assert table.persisted_offset(tp) == 2


# -- faults


async def test_the_offset_stays_when_redis_was_emptied(
    start: Start,
    server: redis.Redis,
    redis_prefix: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    worker = start()
    table = worker.table()
    tp = TP(table.changelog_topic_name, 0)
    table.apply_changelog_batch([worker.record(table, 0, n, str(n), b"1") for n in range(3)])
    await table.on_recovery_completed({tp}, set())
    assert server.delete(*server.keys(f"{redis_prefix}store:*")) == 1
    with worker.processing():
        table.data["3"] = 1
    table.data.set_persisted_offset(tp, 3)
    assert "emptied or restored from an older copy" in caplog.text
    assert start().table().persisted_offset(tp) is None, "the next start must read everything again"

    assert table.persisted_offset(tp) is None
    table.data.set_persisted_offset(tp, 3)  # a late acknowledgement changes nothing
    table.apply_changelog_batch([worker.record(table, 0, n, str(n), b"1") for n in range(4)])
    await table.on_recovery_completed({tp}, set())
    assert len(table.data) == 4
    assert table.persisted_offset(tp) == 3


async def test_the_offset_stays_when_redis_is_emptied_during_a_recovery(
    start: Start, server: redis.Redis, redis_prefix: str
) -> None:
    worker = start()
    table = worker.table()
    tp = TP(table.changelog_topic_name, 0)
    table.apply_changelog_batch([worker.record(table, 0, 0, "lost", b"1")])
    server.delete(*server.keys(f"{redis_prefix}store:*"))
    table.apply_changelog_batch([worker.record(table, 0, 1, "k", b"1")])
    assert table.data.copy() == {"k": 1}
    assert table.persisted_offset(tp) is None


async def test_the_offset_stays_after_a_failed_write(
    start: Start, server: redis.Redis, redis_prefix: str
) -> None:
    worker = start()
    table = worker.table()
    tp = TP(table.changelog_topic_name, 0)
    table.apply_changelog_batch([worker.record(table, 0, 0, "k", b"0")])
    (key,) = server.keys(f"{redis_prefix}store:*")
    server.rename(key, f"{redis_prefix}aside")
    server.set(key, "not a hash")  # the server's own refusal: WRONGTYPE
    with worker.processing(), pytest.raises(RedisStoreError, match="cannot write"):
        table.data["k"] = 1
    server.rename(f"{redis_prefix}aside", key)
    table.data.set_persisted_offset(tp, 1)
    assert table.persisted_offset(tp) == 0, "record 1 is in the changelog and not in Redis"
    table.apply_changelog_batch([worker.record(table, 0, 1, "k", b"1")])
    assert (table.data.copy(), table.persisted_offset(tp)) == ({"k": 1}, 1)
    await table.on_recovery_completed({tp}, set())
    table.data.set_persisted_offset(tp, 2)
    assert table.persisted_offset(tp) == 2


async def test_dropped_connections_are_opened_again(
    start: Start, own_redis_server: EmbeddedRedis
) -> None:
    worker = start(own_redis_server.url)  # no other test's connections are dropped
    store = worker.table().data
    with worker.processing(), sync_client(own_redis_server.url) as server:
        store["k"] = 1
        assert server.client_kill_filter(_type="normal", skipme=True) >= 1
        assert store["k"] == 1


async def test_a_wrong_password_is_named_and_not_shown(start: Start, redis_url: str) -> None:
    scheme, _, place = redis_url.partition("://")
    url = f"{scheme}://me:s3cr3t@{place.rpartition('@')[2]}"
    store = start(url).table().data
    with pytest.raises(RedisStoreError, match=r"table 'orders' of app 'shop/v1'.*me:\*\*\*@") as e:
        await store.on_start()
    assert "s3cr3t" not in f"{e.value}{e.value.__cause__}{store!r}{store.label}"


async def test_no_redis_is_a_clear_error(start: Start) -> None:
    port = free_port()
    worker = start(f"redis://127.0.0.1:{port}/0")
    table = worker.table()
    with pytest.raises(RedisStoreError, match=rf"cannot connect, .*127\.0\.0\.1:{port}"):
        await table.data.on_start()
    with worker.processing(), pytest.raises(RedisStoreError, match="cannot read"):
        table.data["k"]
    with pytest.raises(RedisStoreError, match="cannot apply"):
        table.apply_changelog_batch([worker.record(table, 0, 0, "k", b"1")])


async def test_options_are_checked(start: Start, redis_url: str) -> None:
    worker = start(redis_url)
    worker.options["colour"] = "red"
    with pytest.raises(ValueError, match="unknown store option colour; known are"):
        _ = worker.table().data
    del worker.options["colour"]


async def test_backups_are_left_to_redis(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    store = start().table().data
    with caplog.at_level(logging.WARNING):
        await store.backup_partition(0)
        store.restore_backup(0)
    assert "back up Redis itself" in caplog.text
    assert "restore Redis itself" in caplog.text


def test_faust_finds_the_store_by_its_url() -> None:
    assert STORES.by_url("redis://cache/0") is RedisStore
    assert STORES.by_url("rediss://cache/0") is RedisStore
