"""How every Kafka client of ours connects."""

from typing import Any, Final

from aiokafka import AIOKafkaProducer

from processor.settings import KafkaSettings
from processor.streaming.security import security_options

_READINGS_BATCH_BYTES: Final = 512 * 1024
"""Of readings before they are compressed: a tick of thousands is a few requests, not hundreds."""


def client_options(kafka: KafkaSettings) -> dict[str, Any]:
    """Connection arguments that all aiokafka clients share: where to, how long, how secured.

    Raises:
        SecurityFileError: a certificate or key cannot be used.
    """
    return {
        "bootstrap_servers": kafka.bootstrap.split(","),
        "request_timeout_ms": int(kafka.request_timeout_s * 1000),
        **security_options(kafka),
    }


def durable_producer(kafka: KafkaSettings) -> AIOKafkaProducer:
    """For dead letters: acknowledged by all replicas, no duplicates by retries."""
    return AIOKafkaProducer(**client_options(kafka), acks="all", enable_idempotence=True)


def readings_producer(kafka: KafkaSettings) -> AIOKafkaProducer:
    """For readings: one transactional id, so a newer leader's producer fences an older one's."""
    return AIOKafkaProducer(
        **client_options(kafka),
        transactional_id=f"{kafka.group}.publisher",
        compression_type="zstd",  # aiokafka's lz4 is of level 9: four times as long, for more bytes
        linger_ms=5,
        max_batch_size=_READINGS_BATCH_BYTES,
    )
