"""A real Faust worker that counts words into Redis, killed, robbed of its Redis and restarted."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest
import redis
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from processor.state.redis_url import sync_client
from tests.harness.waiting import PATIENCE

pytestmark = [pytest.mark.kafka, pytest.mark.redis]

PARTITIONS = 2
PATIENCE_S = 60.0 * PATIENCE
APP = """
import os
import faust

app = faust.App(
    os.environ["APP_ID"],
    broker="kafka://" + os.environ["BOOTSTRAP"],
    store=os.environ["STORE"],
    topic_partitions=2,
    topic_replication_factor=1,
    broker_commit_interval=0.1,
    stream_recovery_delay=0.0,
    stream_wait_empty=False,
    consumer_auto_offset_reset="earliest",
    consumer_group_instance_id="the-only-worker",  # a killed worker's place is free at once
    web_enabled=False,
)
options = {"prefix": os.environ["PREFIX"]}
words = app.topic(os.environ["TOPIC"], key_type=str, value_type=str, value_serializer="raw")
counts = app.Table("counts", default=int, options=options)
initials = app.Table("initials", default=int, use_partitioner=True, options=options)


@app.agent(words)
async def count(stream):
    async for word in stream:
        counts[word] += 1
        initials[word[0]] += 1
"""


class WordCount:
    """The app's surroundings: its topic, its worker process, and what Redis holds of it."""

    def __init__(self, bootstrap: str, store: str, prefix: str, folder: Path) -> None:
        self.id = f"words-{uuid.uuid4().hex[:8]}"
        self.bootstrap, self.prefix, self.folder = bootstrap, prefix, folder
        self.topic = f"{self.id}-said"
        self.log = folder / "worker.log"
        self.log.touch()
        self._ready_before = 0
        (folder / "words.py").write_text(APP)
        self.environment = os.environ | {
            "APP_ID": self.id,
            "BOOTSTRAP": bootstrap,
            "STORE": store,
            "PREFIX": prefix,
            "TOPIC": self.topic,
        }

    @contextmanager
    def worker(self) -> Iterator[subprocess.Popen[bytes]]:
        command = [sys.executable, "-m", "faust", "-A", "words", "worker", "-l", "info"]
        self._ready_before = self._times_ready()
        with (
            self.log.open("ab") as log,
            subprocess.Popen(
                [*command, "--without-web"],
                cwd=self.folder,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            ) as process,
        ):
            try:
                yield process
            finally:
                process.kill()

    async def is_ready(self) -> bool:
        """Whether the worker that was started last has its tables; it says so again and again."""
        return self._times_ready() > self._ready_before

    def _times_ready(self) -> int:
        return self.log.read_text().count("Worker ready")

    def last_log(self) -> str:
        return self.log.read_text()[-5000:]

    def hashes(self, client: redis.Redis, name: str) -> list[dict[bytes, bytes]]:
        keys = [f"{self.prefix}store:1:{{{self.id}/{name}/{n}}}" for n in range(PARTITIONS)]
        return [cast("dict[bytes, bytes]", client.hgetall(key)) for key in keys]

    def table(self, client: redis.Redis, name: str) -> Counter[str]:
        found: Counter[str] = Counter()
        for partition in self.hashes(client, name):
            for field, value in partition.items():
                if field.startswith(b"="):
                    found[json.loads(field[1:])] += json.loads(value)
        return found

    def changelog_records(self, client: redis.Redis, name: str) -> int:
        """How many records are at or below the stored offsets."""
        offsets = [partition.get(b"@", b"-1:") for partition in self.hashes(client, name)]
        return sum(int(offset.partition(b":")[0]) + 1 for offset in offsets)

    async def create_topic(self) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            await admin.create_topics([NewTopic(self.topic, PARTITIONS, 1)])
        finally:
            await admin.close()

    async def say(self, words: list[str]) -> None:
        async with AIOKafkaProducer(bootstrap_servers=self.bootstrap) as producer:
            for word in words:
                await producer.send(self.topic, word.encode(), key=word.encode())

    async def committed(self) -> int:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            offsets = await admin.list_consumer_group_offsets(self.id)
        finally:
            await admin.close()
        places = [TopicPartition(self.topic, n) for n in range(PARTITIONS)]
        return sum(max(offsets[tp].offset, 0) for tp in places if tp in offsets)


async def eventually(
    condition: Callable[[], Awaitable[bool]], app: WordCount, process: subprocess.Popen[bytes]
) -> None:
    """Wait until the condition holds; fail with the worker's log where it does not."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not await condition():
                assert process.poll() is None, f"the worker ended:\n{app.last_log()}"
                await asyncio.sleep(0.1)
    except TimeoutError:
        pytest.fail(f"not within {PATIENCE_S} s; the worker says:\n{app.last_log()}")


async def test_counts_go_on_after_a_kill_and_after_redis_was_emptied(
    kafka_bootstrap: str, redis_url: str, redis_prefix: str, tmp_path: Path
) -> None:
    app = WordCount(kafka_bootstrap, redis_url, redis_prefix, tmp_path)
    await app.create_topic()
    sentence = ["apple"] * 50 + ["avocado"] * 30 + ["banana"] * 20
    said: list[str] = []

    with sync_client(redis_url) as client:

        def all_is_counted() -> bool:
            return (
                app.table(client, "counts") == Counter(said)
                and app.table(client, "initials") == Counter(word[0] for word in said)
                # Redis knows how much of the changelogs it holds.
                and app.changelog_records(client, "counts") == len(said)
                and app.changelog_records(client, "initials") == len(said)
            )

        async def all_is_settled() -> bool:
            # What is counted and not committed would rightly be counted again after a kill.
            return all_is_counted() and await app.committed() == len(said)

        async def say_and_wait_for_the_count(process: subprocess.Popen[bytes]) -> None:
            # Faust may drop or repeat source records that arrive during a recovery, also with its
            # memory store: this test is about the tables.
            await eventually(app.is_ready, app, process)
            assert app.table(client, "counts") == Counter(said)
            said.extend(sentence)
            await app.say(sentence)
            await eventually(all_is_settled, app, process)

        with app.worker() as process:
            await say_and_wait_for_the_count(process)
            process.send_signal(signal.SIGKILL)

        with app.worker() as process:
            await say_and_wait_for_the_count(process)
            process.send_signal(signal.SIGKILL)

        hashes = client.keys(f"{redis_prefix}store:*")
        assert isinstance(hashes, list)
        client.delete(*hashes)
        assert app.table(client, "counts") == Counter()

        with app.worker() as process:  # the changelog has it all
            await say_and_wait_for_the_count(process)
            process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(process.wait, PATIENCE_S) == 0
        assert all_is_counted()
