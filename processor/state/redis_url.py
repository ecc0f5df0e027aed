"""Redis addresses: what a URL means, how to log it, and clients that never wait for ever.

Three schemes, as redis-py and the Redis tools write them:

* ``redis://[user[:password]@]host[:port][/db]``, plain TCP;
* ``rediss://…``, the same over TLS;
* ``unix://[user[:password]@]/path/to/socket[?db=N]``, a local socket.

Reserved characters in a user name or password are percent-encoded: ``p@ss/word`` is
``p%40ss%2Fword``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

DEFAULT_PORT: Final = 6379
DEFAULT_TIMEOUT_S: Final = 5.0
DEFAULT_RETRIES: Final = 3
BACKOFF_BASE_S: Final = 0.05
BACKOFF_CAP_S: Final = 1.0
HIDDEN: Final = "***"

_SCHEMES = ("redis", "rediss", "unix")
_TLS_OPTIONS = frozenset(
    {"ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname"}
)
_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
# Greedy up to the last "@": a password that someone forgot to encode is hidden as well.
_USER_INFO = re.compile(
    r"^(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)?(?P<user>[^:@/]*)(?P<rest>.*)@", re.DOTALL
)
_PASSWORD_OPTION = re.compile(r"(?<=[?&;])([^=&;#]*password)=[^&;#]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisUrl:
    """The validated parts of a Redis URL.

    Attributes:
        scheme: ``redis``, ``rediss`` or ``unix``.
        host: Name or address; empty for ``unix``.
        port: TCP port, 1 to 65535; 0 for ``unix``.
        path: The socket's path; empty for TCP.
        db: Number of the database, 0 where the URL names none.
        username: ACL user, or None.
        password: In clear, not percent-encoded; kept out of the ``repr``.
        tls: ``ssl_*`` options of a ``rediss`` URL, as redis-py takes them.
    """

    scheme: str
    host: str = ""
    port: int = 0
    path: str = ""
    db: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: tuple[tuple[str, str | bool], ...] = ()

    def client_arguments(self) -> dict[str, Any]:
        """Return the keyword arguments that make a redis-py client connect here."""
        arguments: dict[str, Any] = {
            "db": self.db,
            "username": self.username,
            "password": self.password,
        }
        if self.scheme == "unix":
            return arguments | {"unix_socket_path": self.path}
        arguments |= {"host": self.host, "port": self.port, **dict(self.tls)}
        return arguments | ({"ssl": True} if self.scheme == "rediss" else {})


def redact(url: str) -> str:
    """Return the URL with its password replaced by ``***``, for logs and error messages.

    Never raises, also for text that is not a URL. Rather hides too much than too little: a user
    name without a password is hidden, as people write passwords there.

    >>> redact("redis://worker:s3cret@cache.internal:6380/2")
    'redis://worker:***@cache.internal:6380/2'
    >>> redact("redis://127.0.0.1/0")
    'redis://127.0.0.1/0'
    """

    def hide(match: re.Match[str]) -> str:
        user = match["user"] + ":" if match["rest"].startswith(":") else ""
        return f"{match['scheme'] or ''}{user}{HIDDEN}@"

    return _PASSWORD_OPTION.sub(rf"\1={HIDDEN}", _USER_INFO.sub(hide, str(url), count=1))


def parse_redis_url(url: str) -> RedisUrl:
    """Take a Redis URL apart and check every part.

    Args:
        url: Such as ``redis://:secret@cache:6379/0`` (see the module's docstring).

    Returns:
        The parts, decoded, with defaults filled in.

    Raises:
        ValueError: Naming the part that is wrong; the message never contains the password.

    >>> parse_redis_url("redis://cache/2").port
    6379
    """
    scheme, separator, _ = url.partition("://")
    if not separator or scheme.lower() not in _SCHEMES:
        raise _refusal(url, f"its scheme must be one of {', '.join(s + '://' for s in _SCHEMES)}")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        # The cause is dropped on purpose: of a password with a bare "/" it would quote a piece.
        raise _refusal(
            url,
            "its host or port is not valid (a port is 1 to 65535; reserved characters in a "
            "password are percent-encoded)",
        ) from None
    # Checked before any message may quote a part: it could be a piece of the password.
    if "#" in url or "@" in f"{parts.path}?{parts.query}":
        raise _refusal(url, "reserved characters in a password are percent-encoded (/ is %2F)")
    if parts.scheme != "unix" and not host:
        raise _refusal(url, "it names no host")
    options = _options(url, parts.query)
    username = unquote(parts.username) if parts.username else None
    password = unquote(parts.password) if parts.password else options.pop("password", None)
    if parts.scheme == "unix":
        if host or not parts.path.strip("/"):
            raise _refusal(url, "it needs an absolute socket path, as in unix:///run/redis.sock")
        return RedisUrl(
            scheme="unix",
            path=unquote(parts.path),
            db=_database(url, options.pop("db", "")),
            username=username,
            password=password,
            tls=_tls(url, parts.scheme, options),
        )
    if port == 0:
        raise _refusal(url, "its port must be 1 to 65535")
    path_db, query_db = unquote(parts.path).strip("/"), options.pop("db", "")
    if path_db and query_db and path_db != query_db:
        raise _refusal(url, f"it names two databases, /{path_db} and ?db={query_db}")
    return RedisUrl(
        scheme=parts.scheme,
        host=host,
        port=port or DEFAULT_PORT,
        db=_database(url, path_db or query_db),
        username=username,
        password=password,
        tls=_tls(url, parts.scheme, options),
    )


def sync_client(
    url: str,
    *,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    connect_timeout_s: float | None = None,
    retries: int = DEFAULT_RETRIES,
    password: str | None = None,
) -> redis.Redis:
    """Return a blocking client with bounded waits; it connects at its first command.

    A command that meets a lost connection or a time-out is repeated up to ``retries`` times with
    jittered backoff of at most one second, so use it for commands that may be repeated.

    Args:
        url: See `parse_redis_url`.
        timeout_s: The longest wait for one reply, in seconds.
        connect_timeout_s: The longest wait for a connection; ``timeout_s`` where None.
        retries: Repeats after the first attempt; 0 for none.
        password: Takes the place of the URL's, for those who keep secrets out of URLs.

    Raises:
        ValueError: The URL or a time-out is not valid.
    """
    return redis.Redis(
        **_connection(url, timeout_s, connect_timeout_s, password),
        retry=Retry(
            ExponentialWithJitterBackoff(base=BACKOFF_BASE_S, cap=BACKOFF_CAP_S),
            retries,
            supported_errors=(RedisConnectionError, RedisTimeoutError),
        ),
    )


def async_client(
    url: str,
    *,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    connect_timeout_s: float | None = None,
    retries: int = DEFAULT_RETRIES,
    backoff_cap_s: float = BACKOFF_CAP_S,
    max_connections: int | None = None,
    password: str | None = None,
) -> redis.asyncio.Redis:
    """Return an asyncio client with bounded waits; it connects at its first command.

    A lost or refused connection is tried again up to ``retries`` times with jittered backoff. A
    time-out is not: the command may have been carried out, and only its sender knows whether it
    may be repeated. Replies are bytes. Close it with ``await client.aclose()``.

    Args:
        url: See `parse_redis_url`.
        timeout_s: The longest wait for one reply, in seconds.
        connect_timeout_s: The longest wait for a connection; ``timeout_s`` where None.
        retries: Repeats after the first attempt; 0 for none.
        backoff_cap_s: The longest pause between two attempts, in seconds.
        max_connections: The most connections held at once; redis-py's default where None.
        password: Takes the place of the URL's, for those who keep secrets out of URLs.

    Raises:
        ValueError: The URL or a time-out is not valid.
    """
    return redis.asyncio.Redis(
        **_connection(url, timeout_s, connect_timeout_s, password),
        max_connections=max_connections,
        retry=AsyncRetry(
            ExponentialWithJitterBackoff(
                base=min(BACKOFF_BASE_S, backoff_cap_s), cap=backoff_cap_s
            ),
            retries,
            supported_errors=(RedisConnectionError,),
        ),
    )


def _connection(
    url: str, timeout_s: float, connect_timeout_s: float | None, password: str | None
) -> dict[str, Any]:
    arguments = parse_redis_url(url).client_arguments()
    connect_timeout_s = timeout_s if connect_timeout_s is None else connect_timeout_s
    for name, seconds in (("timeout_s", timeout_s), ("connect_timeout_s", connect_timeout_s)):
        if not 0 < seconds < float("inf"):
            raise ValueError(f"{name} must be a positive number of seconds, not {seconds!r}")
    if password is not None:
        arguments["password"] = password
    return arguments | {
        "socket_timeout": timeout_s,
        "socket_connect_timeout": connect_timeout_s,
        "decode_responses": False,
    }


def _refusal(url: str, reason: str) -> ValueError:
    return ValueError(f"Redis URL {redact(url)!r}: {reason}")


def _options(url: str, query: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError:
        raise _refusal(url, "the part after '?' is not of the form name=value&…") from None
    options = dict(pairs)
    if unknown := sorted(options.keys() - _TLS_OPTIONS - {"db", "password"}):
        known = ", ".join(sorted(_TLS_OPTIONS | {"db"}))
        raise _refusal(url, f"unknown option {', '.join(unknown)}; known are {known}")
    return options


def _database(url: str, text: str) -> int:
    if not text:
        return 0
    if not (text.isascii() and text.isdigit()):
        raise _refusal(url, f"the database must be a number from 0, not {text!r}")
    return int(text)


def _tls(url: str, scheme: str, options: dict[str, str]) -> tuple[tuple[str, str | bool], ...]:
    if options and scheme != "rediss":
        raise _refusal(url, f"{', '.join(sorted(options))} needs the scheme rediss://")
    tls: dict[str, str | bool] = dict(options)
    if (check := options.get("ssl_check_hostname")) is not None:
        if check.lower() not in _TRUTH:
            raise _refusal(url, f"ssl_check_hostname must be true or false, not {check!r}")
        tls["ssl_check_hostname"] = _TRUTH[check.lower()]
    if options.get("ssl_cert_reqs", "required") not in {"required", "optional", "none"}:
        raise _refusal(url, "ssl_cert_reqs must be required, optional or none")
    return tuple(sorted(tls.items()))
