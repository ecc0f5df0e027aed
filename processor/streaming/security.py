"""How connections to Kafka are secured: one reading of the settings for every client.

aiokafka and Faust each have their own words for it, and each connects in plaintext when it is not
told otherwise; here both are told, from the same settings.
"""

import ssl
from pathlib import Path
from typing import Any, Final

from faust.auth import SASLCredentials, SSLCredentials
from faust.types.auth import CredentialsT

from processor.settings import KafkaSettings

_PROTOCOLS: Final = {
    "plaintext": "PLAINTEXT",
    "tls": "SSL",
    "sasl_tls": "SASL_SSL",
    "sasl_plaintext": "SASL_PLAINTEXT",
}


class SecurityFileError(OSError):
    """A certificate or key cannot be used; the message names the setting and says why."""


def security_options(kafka: KafkaSettings) -> dict[str, Any]:
    """The security arguments of an aiokafka client.

    Raises:
        SecurityFileError: a certificate or key cannot be used.
    """
    options: dict[str, Any] = {"security_protocol": _PROTOCOLS[kafka.security]}
    if kafka.uses_tls:
        options["ssl_context"] = tls_context(kafka)
    if kafka.uses_sasl:
        username, password = _credentials(kafka)
        options["sasl_mechanism"] = kafka.sasl_mechanism
        options["sasl_plain_username"] = username
        options["sasl_plain_password"] = password
    return options


def broker_credentials(kafka: KafkaSettings) -> CredentialsT | None:
    """The same for Faust's consumer and producer; ``None`` is plaintext.

    Faust takes SASL credentials without a context of their own for SASL in plaintext.

    Raises:
        SecurityFileError: a certificate or key cannot be used.
    """
    context = tls_context(kafka) if kafka.uses_tls else None
    if kafka.uses_sasl:
        username, password = _credentials(kafka)
        return SASLCredentials(
            username=username,
            password=password,
            ssl_context=context,
            mechanism=kafka.sasl_mechanism,
        )
    return None if context is None else SSLCredentials(context)


def tls_context(kafka: KafkaSettings) -> ssl.SSLContext:
    """What brokers have to prove, and what we can: never without a check of their certificate.

    Without ``ca_file`` the system's certificate authorities are trusted.

    Raises:
        SecurityFileError: a certificate or key cannot be used.
    """
    context = _trusting(kafka.ca_file)
    context.check_hostname = kafka.check_hostname
    if kafka.cert_file is not None:
        _present_certificate(context, kafka, kafka.cert_file)
    return context


def _trusting(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=ca_file)
    except OSError as error:  # an SSLError is one
        raise SecurityFileError(
            f"kafka.ca_file: {ca_file} cannot be used: {_reason(error)}; it holds the certificate "
            "of the authority that signed the broker's, as PEM"
        ) from None


def _present_certificate(context: ssl.SSLContext, kafka: KafkaSettings, cert_file: Path) -> None:
    secret = kafka.key_password
    # As a function: asked only if the key is encrypted. Without one OpenSSL asks the terminal.
    password = "" if secret is None else secret.get_secret_value()
    key_file = kafka.key_file or cert_file
    try:
        context.load_cert_chain(cert_file, kafka.key_file, lambda: password)
    except (OSError, ValueError) as error:  # a password that is too long is a ValueError
        hint = "as PEM, and kafka.key_password if the key is encrypted"
        raise SecurityFileError(
            f"kafka.cert_file, kafka.key_file: {cert_file} with the key in {key_file} cannot be "
            f"used: {_reason(error)}; they hold our certificate and its key {hint}"
        ) from None


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "not readable").replace("_", " ").lower()
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _credentials(kafka: KafkaSettings) -> tuple[str, str]:
    if kafka.username is None or kafka.password is None:
        raise AssertionError("the settings refuse SASL without credentials")
    return kafka.username, kafka.password.get_secret_value()
