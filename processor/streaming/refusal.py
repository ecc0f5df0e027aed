"""Why Kafka does not let us in, as a sentence that names the setting.

aiokafka tries every broker it knows, logs what each said, and raises one error that says nothing:
"Unable to bootstrap". So when a client has failed, one more connection is made to each broker, by
hand, to see what that broker says.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from typing import Any, Final

from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import (
    IllegalSaslStateError,
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.metadata import MetadataRequest

from processor.settings import KafkaSettings
from processor.streaming.kafka import client_options

_PATIENCE_S: Final = 5.0
"""For one broker. It has answered before, or it would not be a refusal that we look for."""

_SPOKEN: Final = {
    "plaintext": "neither TLS nor credentials",
    "tls": "TLS without credentials",
    "sasl_tls": "TLS with credentials",
    "sasl_plaintext": "credentials without TLS",
}

Address = tuple[str, int]


class KafkaRefusedError(ConnectionError):
    """A broker answers, and does not let us in; the message says why and what to do.

    Attributes:
        may_pass: it may be a broker that is just starting: worth another try.
    """

    def __init__(self, message: str, *, may_pass: bool = False) -> None:
        super().__init__(message)
        self.may_pass = may_pass


@asynccontextmanager
async def explained(kafka: KafkaSettings) -> AsyncIterator[None]:
    """Give what is done inside a better error, if a broker refuses us.

    Raises:
        KafkaRefusedError: in place of an error that does not say it.
    """
    try:
        yield
    except (KafkaError, TimeoutError) as error:
        refused = await refusal(kafka)
        if refused is None:
            raise
        raise refused from error


async def refusal(kafka: KafkaSettings) -> KafkaRefusedError | None:
    """Ask every broker that is configured or that one of those names: the refusal, if any.

    Raises:
        SecurityFileError: a certificate or key cannot be used.
    """
    configured = {(host, port) for host, port, _ in collect_hosts(kafka.bootstrap)}
    refused, named = await _ask_all(kafka, configured)
    refused += (await _ask_all(kafka, named - configured))[0]
    return min(refused, key=lambda error: error.may_pass, default=None)


async def _ask_all(
    kafka: KafkaSettings, brokers: Iterable[Address]
) -> tuple[list[KafkaRefusedError], set[Address]]:
    """The refusals, and the brokers that those that answer have named."""
    options = client_options(kafka)
    del options["bootstrap_servers"]
    refused: list[KafkaRefusedError] = []
    named: set[Address] = set()

    async def ask(host: str, port: int) -> None:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                named.update(await _brokers(host, port, options))
        except (KafkaError, OSError, TimeoutError) as error:
            found = _understood(error, kafka, f"Kafka at {host}:{port}")
            if found is not None:
                refused.append(found)

    await asyncio.gather(*(ask(host, port) for host, port in sorted(brokers)))
    return refused, named


async def _brokers(host: str, port: int, options: dict[str, Any]) -> set[Address]:
    connection = await create_conn(host, port, **options)
    try:
        metadata = await connection.send(MetadataRequest([]))
    finally:
        connection.close()
    return {(broker_host, broker_port) for _, broker_host, broker_port, *_ in metadata.brokers}


def _understood(
    error: BaseException, kafka: KafkaSettings, broker: str
) -> KafkaRefusedError | None:
    """What an attempt to connect met, or ``None`` if it met nobody."""
    for cause in _causes(error):
        said = _tls_refusal(cause) or _sasl_refusal(cause, kafka)
        if said is not None:
            return KafkaRefusedError(f"{broker} {said}")
    if isinstance(error, KafkaConnectionError | ConnectionResetError | ssl.SSLError):
        return KafkaRefusedError(
            f"{broker} closes the connection: kafka.security is {kafka.security} "
            f"({_SPOKEN[kafka.security]}), and its port may expect something else",
            may_pass=True,
        )
    return None


def _tls_refusal(error: BaseException) -> str | None:
    if isinstance(error, ssl.SSLCertVerificationError):
        return _distrusted(error)
    reason = (error.reason or "") if isinstance(error, ssl.SSLError) else ""
    if "ALERT" in reason:
        words = reason.replace("_", " ").lower()
        return f"refuses our side of TLS ({words}): see kafka.cert_file and kafka.key_file"
    if reason in {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"}:
        return "does not speak TLS: see kafka.security"
    return None


def _sasl_refusal(error: BaseException, kafka: KafkaSettings) -> str | None:
    if isinstance(error, SaslAuthenticationFailed):
        return (
            "refuses the user or password: correct kafka.username and kafka.password "
            f"(CX_KAFKA__PASSWORD), or kafka.sasl_mechanism, which is {kafka.sasl_mechanism}"
        )
    if isinstance(error, UnsupportedSaslMechanismError):
        return f"does not offer {kafka.sasl_mechanism}: see kafka.sasl_mechanism"
    if isinstance(error, IllegalSaslStateError):
        return "asks for no credentials on this port: see kafka.security"
    return None


def _distrusted(error: ssl.SSLCertVerificationError) -> str:
    said = error.verify_message
    if "mismatch" in said.lower():
        return (
            f"has a certificate for another name ({said.rstrip('.')}): set kafka.bootstrap, and "
            "the listeners that the brokers advertise, to names in their certificates"
        )
    if "expired" in said or "not yet valid" in said:
        return f"has a certificate that is not valid now ({said}): renew it, or correct the clock"
    return (
        f"has a certificate that is not trusted ({said}): set kafka.ca_file to the certificate "
        "of the authority that signed it"
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__
