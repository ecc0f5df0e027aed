import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import MessageSizeTooLargeError

from processor.embedded.kafka import EmbeddedKafka
from processor.embedded.server import EmbeddedServerError
from tests.embedded.processes import exists, mentioning
from tests.harness.waiting import PATIENCE

_SECONDS = 30 * PATIENCE


async def produce(
    bootstrap: str, topic: str, values: list[bytes], codec: str | None = None
) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, compression_type=codec) as producer:
        for value in values:
            await producer.send_and_wait(topic, value)


async def consume(bootstrap: str, topic: str, count: int) -> list[bytes]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    async with asyncio.timeout(_SECONDS), consumer:
        consumer.assign([TopicPartition(topic, 0)])
        return [(await consumer.getone()).value for _ in range(count)]


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedKafka]:
    """One for this file, to kill and suspend."""
    folder = tmp_path_factory.mktemp("kafka")
    with EmbeddedKafka(folder, config={"message.max.bytes": "50000"}) as own:
        yield own


@pytest.mark.parametrize("codec", [None, "gzip", "lz4", "snappy", "zstd"])
async def test_records_of_every_codec_come_back(
    kafka_bootstrap: str, topic_prefix: str, codec: str | None
) -> None:
    values = [b"score 9 " * 500, b"\x00\xff", "ü".encode()]
    await produce(kafka_bootstrap, topic_prefix + "codec", values, codec)
    assert await consume(kafka_bootstrap, topic_prefix + "codec", len(values)) == values


async def test_a_group_reads_and_commits(kafka_bootstrap: str, topic_prefix: str) -> None:
    topic = topic_prefix + "grouped"
    await produce(kafka_bootstrap, topic, [b"1", b"2"])
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=kafka_bootstrap,
        group_id=topic_prefix + "group",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    async with asyncio.timeout(_SECONDS), consumer:
        assert [(await consumer.getone()).value for _ in range(2)] == [b"1", b"2"]
        await consumer.commit()
        assert await consumer.committed(TopicPartition(topic, 0)) == 2


@pytest.mark.parametrize("end", [pytest.param("restart", marks=pytest.mark.soak), "kill"])
async def test_coming_back_keeps_port_and_data(
    broker: EmbeddedKafka, topic_prefix: str, end: str
) -> None:
    bootstrap, pid = broker.bootstrap, broker.pid
    await produce(bootstrap, topic_prefix + "kept", [b"before"])

    if end == "restart":
        broker.restart()
    else:
        broker.kill()
        broker.start()

    assert broker.bootstrap == bootstrap
    assert broker.pid != pid
    await produce(bootstrap, topic_prefix + "kept", [b"after"])
    assert await consume(bootstrap, topic_prefix + "kept", 2) == [b"before", b"after"]


async def test_a_suspended_broker_goes_on_where_it_was(
    broker: EmbeddedKafka, topic_prefix: str
) -> None:
    await produce(broker.bootstrap, topic_prefix + "suspended", [b"before"])
    broker.suspend()
    with (
        socket.create_connection(("127.0.0.1", broker.port), timeout=0.3) as connection,
        pytest.raises(TimeoutError),
    ):
        connection.recv(1)
    assert not broker._answers()
    broker.resume()
    assert await consume(broker.bootstrap, topic_prefix + "suspended", 1) == [b"before"]


async def test_the_given_configuration_holds(broker: EmbeddedKafka, topic_prefix: str) -> None:
    with pytest.raises(MessageSizeTooLargeError):
        await produce(broker.bootstrap, topic_prefix + "large", [b"x" * 60_000])


@pytest.mark.soak
async def test_a_folder_of_the_callers_opens_on_other_ports(
    tmp_path: Path,
) -> None:
    with EmbeddedKafka(tmp_path / "data") as first:
        pid, port = first.pid, first.port
        await produce(first.bootstrap, "kept", [b"yes"])
    assert not exists(pid)
    with EmbeddedKafka(tmp_path / "data") as second:
        assert second.port != port
        assert await consume(second.bootstrap, "kept", 1) == [b"yes"]
    assert (tmp_path / "data" / "kafka.log").is_file()


def test_two_at_once_and_nothing_stays_of_the_temporary_one(broker: EmbeddedKafka) -> None:
    with EmbeddedKafka() as other:
        folder, pid = other.data_dir, other.pid
        assert other.bootstrap != broker.bootstrap
        assert broker.running
    assert not folder.exists()
    assert not exists(pid)


def test_a_taken_port_is_named(broker: EmbeddedKafka) -> None:
    with pytest.raises(EmbeddedServerError, match=rf"port {broker.port} \(clients\) is in use"):
        EmbeddedKafka(port=broker.port).start()


async def test_a_folder_in_use_is_named_and_left_alone(
    broker: EmbeddedKafka, topic_prefix: str
) -> None:
    with pytest.raises(EmbeddedServerError, match=f"another server uses {broker.data_dir}"):
        EmbeddedKafka(broker.data_dir).start()
    await produce(broker.bootstrap, topic_prefix + "alone", [b"yes"])
    broker.restart()
    assert await consume(broker.bootstrap, topic_prefix + "alone", 1) == [b"yes"]


def test_broken_data_shows_what_kafka_said(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "meta.properties").write_text("version=1\nnode.id=7\n")
    with pytest.raises(EmbeddedServerError, match=r"(?s)exit code 1\n.*cluster.id was not found"):
        EmbeddedKafka(tmp_path).start()


def test_an_answer_that_does_not_come_in_time_is_an_error(tmp_path: Path) -> None:
    # It looks for its controller where nobody listens: it never answers, however slow we are.
    lost = EmbeddedKafka(
        tmp_path, start_timeout=0.05, config={"controller.quorum.voters": "1@127.0.0.1:1"}
    )
    with pytest.raises(EmbeddedServerError, match=r"no answer within 0\.05 s"):
        lost.start()
    assert mentioning(str(tmp_path)) == []
