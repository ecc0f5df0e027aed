"""Redis addresses: what a URL means, and how to show it.

Of one server, as redis-py and the Redis tools write them:

* ``redis://[user[:password]@]host[:port][/db]``, plain TCP;
* ``rediss://…``, the same over TLS;
* ``unix://[user[:password]@]/path/to/socket[?db=N]``, a local socket.

Of servers that stand in for one another:

* ``redis+sentinel://[user[:password]@]host[:port],…/service[/db]``: the hosts are Sentinels, which
  know the master of the service; user and password are the master's, those of the Sentinels are
  ``?sentinel_username=…&sentinel_password=…``;
* ``redis+cluster://[user[:password]@]host[:port],…``: some of a cluster's nodes, which know all;
* ``rediss+sentinel://…`` and ``rediss+cluster://…``, both over TLS to every server.

TLS takes ``?ssl_ca_certs=FILE`` (the machine's authorities by default), ``ssl_certfile`` and
``ssl_keyfile`` (a client's certificate), ``ssl_check_hostname=no`` and ``ssl_cert_reqs``
(``required``, ``optional`` or ``none``).

Reserved characters in a user name or password are percent-encoded: ``p@ss/word`` is
``p%40ss%2Fword``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

DEFAULT_PORT: Final = 6379
SENTINEL_PORT: Final = 26379
HIDDEN: Final = "***"

_SCHEMES = (
    "redis",
    "rediss",
    "unix",
    "redis+sentinel",
    "rediss+sentinel",
    "redis+cluster",
    "rediss+cluster",
)
_TLS_OPTIONS = frozenset(
    {"ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname"}
)
_SENTINEL_OPTIONS = frozenset({"sentinel_username", "sentinel_password"})
_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
# Greedy up to the last "@": a password that someone forgot to encode is hidden as well.
_USER_INFO = re.compile(
    r"^(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)?(?P<user>[^:@/]*)(?P<rest>.*)@", re.DOTALL
)
_PASSWORD_OPTION = re.compile(r"(?<=[?&;])([^=&;#]*password)=[^&;#]*", re.IGNORECASE)

Node = tuple[str, int]
"""Host and port."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisUrl:
    """The validated parts of a Redis URL.

    Attributes:
        scheme: as written: ``redis``, ``rediss+sentinel``, ….
        host: Name or address of the first server; empty for ``unix``.
        port: Its TCP port, 1 to 65535; 0 for ``unix``.
        nodes: All Sentinels, or the named nodes of a cluster; empty for one server.
        service: What the Sentinels call the master; empty without Sentinels.
        path: The socket's path; empty for TCP.
        db: Number of the database, 0 where the URL names none.
        username: ACL user, or None.
        password: In clear, not percent-encoded; kept out of the ``repr``.
        sentinel_username: ACL user at the Sentinels, or None.
        sentinel_password: Their password, kept out of the ``repr``.
        tls: ``ssl_*`` options of a TLS URL, as redis-py takes them.
    """

    scheme: str
    host: str = ""
    port: int = 0
    nodes: tuple[Node, ...] = ()
    service: str = ""
    path: str = ""
    db: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    sentinel_username: str | None = None
    sentinel_password: str | None = field(default=None, repr=False)
    tls: tuple[tuple[str, str | bool], ...] = ()

    @property
    def has_sentinels(self) -> bool:
        """Whether Sentinels name the server."""
        return self.scheme.endswith("+sentinel")

    @property
    def is_cluster(self) -> bool:
        """Whether the keys are spread over a cluster."""
        return self.scheme.endswith("+cluster")

    def tls_arguments(self) -> dict[str, Any]:
        """Return what makes a redis-py client speak TLS, nothing where the URL does not."""
        return {"ssl": True, **dict(self.tls)} if self.scheme.startswith("rediss") else {}

    def client_arguments(self) -> dict[str, Any]:
        """Return the keyword arguments that make a redis-py client connect here."""
        arguments: dict[str, Any] = {"username": self.username, "password": self.password}
        if not self.is_cluster:  # it has one, and redis-py does not want it named
            arguments["db"] = self.db
        if self.scheme == "unix":
            return arguments | {"unix_socket_path": self.path}
        if not self.nodes:
            arguments |= {"host": self.host, "port": self.port}
        return arguments | self.tls_arguments()


def redact(url: str) -> str:
    """Return the URL with its password replaced by ``***``, for logs and error messages.

    Never raises, also for text that is not a URL. Rather hides too much than too little: a user
    name without a password is hidden, as people write passwords there.

    >>> redact("redis://worker:s3cret@cache.internal:6380/2")
    'redis://worker:***@cache.internal:6380/2'
    >>> redact("redis+sentinel://:s3cret@s1,s2/main?sentinel_password=s3cret")
    'redis+sentinel://:***@s1,s2/main?sentinel_password=***'
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
    >>> parse_redis_url("redis+cluster://a,b:7000").nodes
    (('a', 6379), ('b', 7000))
    """
    scheme, separator, _ = url.partition("://")
    if not separator or scheme.lower() not in _SCHEMES:
        raise _refusal(url, f"its scheme must be one of {', '.join(s + '://' for s in _SCHEMES)}")
    parts = _split(url, url)
    nodes = _nodes(url, parts)
    # Checked before any message may quote a part: it could be a piece of the password.
    if "#" in url or "@" in f"{parts.path}?{parts.query}":
        raise _refusal(url, "reserved characters in a password are percent-encoded (/ is %2F)")
    options = _options(url, parts.scheme, parts.query)
    named: dict[str, Any] = {
        "scheme": parts.scheme,
        "username": unquote(parts.username) if parts.username else None,
        "password": unquote(parts.password) if parts.password else options.pop("password", None),
    }
    db = options.pop("db", "")
    if parts.scheme == "unix":
        named |= {"path": _socket(url, parts), "db": _database(url, db)}
        return RedisUrl(**named, tls=_tls(url, parts.scheme, options))
    if not all(host for host, _ in nodes):
        raise _refusal(url, "it names no host")
    named |= {"host": nodes[0][0], "port": nodes[0][1]}
    path = unquote(parts.path).strip("/")
    if parts.scheme.endswith("+sentinel"):
        named["service"], _, path = path.partition("/")
        named |= {"nodes": nodes, **_sentinel(url, named["service"], options)}
    if path and db and path != db:
        raise _refusal(url, f"it names two databases, /{path} and ?db={db}")
    named["db"] = _database(url, path or db)
    if parts.scheme.endswith("+cluster"):
        named["nodes"] = nodes
        if named["db"]:
            raise _refusal(url, "a cluster has database 0 only")
    return RedisUrl(**named, tls=_tls(url, parts.scheme, options))


def _socket(url: str, parts: SplitResult) -> str:
    if parts.hostname or not parts.path.strip("/"):
        raise _refusal(url, "it needs an absolute socket path, as in unix:///run/redis.sock")
    return unquote(parts.path)


def _sentinel(url: str, service: str, options: dict[str, str]) -> dict[str, str | None]:
    if not service:
        raise _refusal(url, "it names no service, as in redis+sentinel://host:26379/mymaster")
    return {name: options.pop(name, None) for name in sorted(_SENTINEL_OPTIONS)}


def _split(url: str, text: str) -> SplitResult:
    try:
        return urlsplit(text)
    except ValueError:
        raise _bad_host(url) from None


def _bad_host(url: str) -> ValueError:
    # The cause is dropped on purpose: of a password with a bare "/" it would quote a piece.
    return _refusal(
        url,
        "its host or port is not valid (a port is 1 to 65535; reserved characters in a "
        "password are percent-encoded)",
    )


def _nodes(url: str, parts: SplitResult) -> tuple[Node, ...]:
    places = parts.netloc.rpartition("@")[2].split(",")
    if len(places) > 1 and "+" not in parts.scheme:
        raise _refusal(
            url, "it names several hosts, which redis+sentinel:// and redis+cluster:// may"
        )
    default = SENTINEL_PORT if parts.scheme.endswith("+sentinel") else DEFAULT_PORT
    nodes = []
    for place in places:
        split = _split(url, f"//{place}")
        try:
            port = split.port
        except ValueError:
            raise _bad_host(url) from None
        if port == 0:
            raise _refusal(url, "its port must be 1 to 65535")
        nodes.append((split.hostname or "", port or default))
    return tuple(nodes)


def _refusal(url: str, reason: str) -> ValueError:
    return ValueError(f"Redis URL {redact(url)!r}: {reason}")


def _options(url: str, scheme: str, query: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError:
        raise _refusal(url, "the part after '?' is not of the form name=value&…") from None
    options = dict(pairs)
    accepted = _TLS_OPTIONS | {"db"}
    if scheme.endswith("+sentinel"):
        accepted |= _SENTINEL_OPTIONS
    if unknown := sorted(options.keys() - accepted - {"password"}):
        known = ", ".join(sorted(accepted))
        raise _refusal(url, f"unknown option {', '.join(unknown)}; known are {known}")
    return options


def _database(url: str, text: str) -> int:
    if not text:
        return 0
    if not (text.isascii() and text.isdigit()):
        raise _refusal(url, f"the database must be a number from 0, not {text!r}")
    return int(text)


def _tls(url: str, scheme: str, options: dict[str, str]) -> tuple[tuple[str, str | bool], ...]:
    if options and not scheme.startswith("rediss"):
        raise _refusal(url, f"{', '.join(sorted(options))} needs the scheme rediss://")
    tls: dict[str, str | bool] = dict(options)
    if (check := options.get("ssl_check_hostname")) is not None:
        if check.lower() not in _TRUTH:
            raise _refusal(url, f"ssl_check_hostname must be true or false, not {check!r}")
        tls["ssl_check_hostname"] = _TRUTH[check.lower()]
    if options.get("ssl_cert_reqs", "required") not in {"required", "optional", "none"}:
        raise _refusal(url, "ssl_cert_reqs must be required, optional or none")
    return tuple(sorted(tls.items()))
