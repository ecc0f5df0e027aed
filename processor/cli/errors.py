"""Errors as one line that says what to do.

Commands let the errors of the libraries pass; here, and only here, they become sentences. The
imports are inside, because most runs end without an error.
"""
# ruff: noqa: PLC0415 - see above

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from processor.settings import Settings

OK: Final = 0
FAILED: Final = 1
USAGE: Final = 2


class CommandError(Exception):
    """A command cannot go on; the message says why and what to do.

    Attributes:
        exit_code: 1, or 2 where the command line or the configuration is wrong.
    """

    exit_code: int = FAILED


class UsageError(CommandError):
    """What was written cannot be meant: on the command line, or in the configuration."""

    exit_code = USAGE


def explain(error: BaseException) -> CommandError | None:
    """The error in one line, or ``None`` if it is not one that is expected to happen."""
    from aiokafka.errors import KafkaError
    from redis.exceptions import RedisError

    from processor.embedded.server import EmbeddedServerError
    from processor.settings import ConfigurationError
    from processor.simulation import SimulationError
    from processor.streaming.resuming import LogReplacedError

    described: tuple[tuple[type[BaseException], Callable[[Any], CommandError]], ...] = (
        (CommandError, lambda known: known),
        (ConfigurationError, lambda wrong: UsageError(f"configuration: {_one_line(wrong)}")),
        (KafkaError, lambda refusal: CommandError(_kafka(refusal))),
        (RedisError, lambda refusal: CommandError(_redis(refusal))),
        (SimulationError, lambda failure: CommandError(_one_line(failure))),
        (LogReplacedError, lambda found: CommandError(_one_line(found))),
        # Its log's tail follows: the one case of more than a line.
        (EmbeddedServerError, lambda failure: CommandError(str(failure))),
        (OSError, lambda refusal: CommandError(_operating_system(refusal))),
    )
    for kind, describe in described:
        if isinstance(error, kind):
            return describe(error)
    return None


def _one_line(error: BaseException) -> str:
    return "; ".join(line.strip() for line in str(error).splitlines() if line.strip())


def _settings() -> "Settings":
    from processor.settings import load_settings

    return load_settings()


def _kafka(error: BaseException) -> str:
    from aiokafka.errors import KafkaConnectionError, KafkaTimeoutError, NodeNotReadyError

    at = f"Kafka at {_settings().kafka.bootstrap}"
    if isinstance(error, KafkaConnectionError | KafkaTimeoutError | NodeNotReadyError):
        return (
            f"{at} does not answer: start it, or set kafka.bootstrap (CX_KAFKA__BOOTSTRAP) "
            "to where it runs"
        )
    return f"{at} refuses: {_one_line(error) or type(error).__name__}"


def _redis(error: BaseException) -> str:
    from redis.exceptions import AuthenticationError, ConnectionError, TimeoutError  # noqa: A004

    from processor.state.redis_url import redact

    at = f"Redis at {redact(_settings().redis.url.get_secret_value())}"
    if _is_about_password(error) or isinstance(error, AuthenticationError):
        return (
            f"{at} refuses the user or password: correct redis.url (CX_REDIS__URL), "
            "redis://user:password@host:port/0"
        )
    if isinstance(error, ConnectionError | TimeoutError):
        return f"{at} does not answer: start it, or set redis.url (CX_REDIS__URL) to where it runs"
    return f"{at} refuses: {_one_line(error)}"


def _is_about_password(error: BaseException) -> bool:
    text = str(error).lower()
    return any(word in text for word in ("noauth", "wrongpass", "authentication required"))


def _operating_system(error: OSError) -> str:
    reason = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {reason}" if error.filename is not None else reason
