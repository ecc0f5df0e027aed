"""Redis clients for every kind of address, that never wait for ever.

What an address means is in `redis_address`, which see for the URLs.
"""

from __future__ import annotations

from typing import Any, Final, cast

import redis
import redis.asyncio
import redis.asyncio.cluster
import redis.asyncio.sentinel
import redis.cluster
import redis.sentinel
from redis.asyncio.retry import Retry as AsyncRetry
from redis.asyncio.sentinel import MasterNotFoundError
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.exceptions import AuthenticationError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from processor.state.cluster import ClusterClient
from processor.state.connections import make_losable
from processor.state.redis_address import RedisUrl, parse_redis_url, redact

__all__ = [
    "RedisUrl",
    "async_client",
    "parse_redis_url",
    "redact",
    "sync_client",
]

DEFAULT_TIMEOUT_S: Final = 5.0
DEFAULT_RETRIES: Final = 3
BACKOFF_BASE_S: Final = 0.05
BACKOFF_CAP_S: Final = 1.0
SENTINEL_TIMEOUT_S: Final = 1.0
"""A Sentinel that is gone must not hold up the question to the next one."""

_CLUSTER_CONNECTIONS: Final = 1_000
"""To one node. redis-py refuses more, where it would wait or go on for one server."""


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

    The client of a cluster connects here already, and takes commands of one key only.

    Args:
        url: See `redis_address`.
        timeout_s: The longest wait for one reply, in seconds.
        connect_timeout_s: The longest wait for a connection; ``timeout_s`` where None.
        retries: Repeats after the first attempt; 0 for none.
        password: Takes the place of the URL's, for those who keep secrets out of URLs.

    Raises:
        ValueError: The URL or a time-out is not valid.
        redis.exceptions.RedisError: No node of the cluster answers.
    """
    address = parse_redis_url(url)
    arguments = _connection(address, timeout_s, connect_timeout_s, password)
    arguments["retry"] = Retry(
        ExponentialWithJitterBackoff(base=BACKOFF_BASE_S, cap=BACKOFF_CAP_S),
        retries,
        supported_errors=(RedisConnectionError, RedisTimeoutError),
    )
    if address.has_sentinels:
        sentinels: Any = redis.sentinel.Sentinel  # it has no types
        sentinel = sentinels(
            address.nodes,
            sentinel_kwargs=_sentinel_connection(address, arguments, Retry(NoBackoff(), 0)),
        )
        return cast(
            "redis.Redis",
            sentinel.master_for(address.service, redis_class=_SyncMasterClient, **arguments),
        )
    if address.is_cluster:
        new_node: Any = redis.cluster.ClusterNode
        nodes = [new_node(host, port) for host, port in address.nodes]
        try:
            cluster = redis.cluster.RedisCluster(startup_nodes=nodes, **arguments)
        except redis.exceptions.RedisClusterException as error:
            raise RedisConnectionError(str(error)) from error
        return cast("redis.Redis", cluster)
    return redis.Redis(**arguments)


def async_client(
    url: str,
    *,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    connect_timeout_s: float | None = None,
    retries: int = DEFAULT_RETRIES,
    backoff_cap_s: float = BACKOFF_CAP_S,
    max_connections: int | None = None,
    password: str | None = None,
    repeats_timeouts: bool = False,
) -> redis.asyncio.Redis:
    """Return an asyncio client with bounded waits; it connects at its first command.

    A lost or refused connection is tried again up to ``retries`` times with jittered backoff. A
    time-out is not, unless told: the command may have been carried out, and only its sender knows
    whether it may be repeated. Replies are bytes. Close it with ``await client.aclose()``.

    The client of a cluster has the commands of one key like any other. What takes several keys
    goes through `processor.state.pipelines`.

    Args:
        url: See `redis_address`.
        timeout_s: The longest wait for one reply, in seconds.
        connect_timeout_s: The longest wait for a connection; ``timeout_s`` where None.
        retries: Repeats after the first attempt; 0 for none.
        backoff_cap_s: The longest pause between two attempts, in seconds.
        max_connections: The most connections held at once, to each node of a cluster;
            redis-py's default where None.
        password: Takes the place of the URL's, for those who keep secrets out of URLs.
        repeats_timeouts: Try again after a time-out, too: every command may be repeated.

    Raises:
        ValueError: The URL or a time-out is not valid.
    """
    address = parse_redis_url(url)
    arguments = _connection(address, timeout_s, connect_timeout_s, password)
    arguments["retry"] = AsyncRetry(
        ExponentialWithJitterBackoff(base=min(BACKOFF_BASE_S, backoff_cap_s), cap=backoff_cap_s),
        retries,
        supported_errors=(
            (RedisConnectionError, RedisTimeoutError)
            if repeats_timeouts
            else (RedisConnectionError,)
        ),
    )
    if address.has_sentinels:
        sentinels: Any = _Sentinels  # redis-py's has no types
        sentinel = sentinels(
            address.nodes,
            sentinel_kwargs=_sentinel_connection(address, arguments, AsyncRetry(NoBackoff(), 0)),
        )
        master: redis.asyncio.Redis = sentinel.master_for(
            address.service,
            redis_class=_MasterClient,
            max_connections=max_connections,
            **arguments,
        )
        for one in (master, *sentinel.sentinels):
            make_losable(one.connection_pool)
        return master
    if address.is_cluster:
        cluster = ClusterClient(
            startup_nodes=[
                redis.asyncio.cluster.ClusterNode(host, port) for host, port in address.nodes
            ],
            max_connections=max_connections or _CLUSTER_CONNECTIONS,
            **arguments,
        )
        return cast("redis.asyncio.Redis", cluster)
    client = redis.asyncio.Redis(**arguments, max_connections=max_connections)
    make_losable(client.connection_pool)
    return client


class _Sentinels(redis.asyncio.sentinel.Sentinel):
    """Sentinels that say in a few words what is wrong: redis-py's error holds all its options."""

    async def discover_master(self, service_name: str) -> Any:
        try:
            return await super().discover_master(service_name)
        except MasterNotFoundError as error:
            if "AuthenticationError" in str(error):
                raise AuthenticationError(
                    "a Sentinel refuses the user or password (sentinel_password)"
                ) from None
            raise MasterNotFoundError(
                f"no Sentinel that answers knows a master of {service_name!r} that runs"
            ) from None


class _MasterClient(redis.asyncio.Redis):
    """A client of the master that Sentinels name; it closes its connections to them as well."""

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        await super().aclose(close_connection_pool)
        pool: Any = self.connection_pool
        await pool.sentinel_manager.aclose()


class _SyncMasterClient(redis.Redis):
    """The same for blocking commands."""

    def close(self) -> None:
        super().close()
        pool: Any = self.connection_pool
        for sentinel in pool.sentinel_manager.sentinels:
            sentinel.close()


def _connection(
    address: RedisUrl, timeout_s: float, connect_timeout_s: float | None, password: str | None
) -> dict[str, Any]:
    arguments = address.client_arguments()
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


def _sentinel_connection(
    address: RedisUrl, arguments: dict[str, Any], retry: object
) -> dict[str, Any]:
    return address.tls_arguments() | {
        "username": address.sentinel_username,
        "password": address.sentinel_password,
        "socket_timeout": min(SENTINEL_TIMEOUT_S, arguments["socket_timeout"]),
        "socket_connect_timeout": min(SENTINEL_TIMEOUT_S, arguments["socket_connect_timeout"]),
        "retry": retry,
    }
