"""A Redis Cluster behind the same commands, and the same errors, as one server."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from redis.asyncio.cluster import RedisCluster
from redis.exceptions import (
    AuthenticationError,
    ClusterDownError,
    RedisClusterException,
    ResponseError,
    SlotNotCoveredError,
)
from redis.exceptions import ConnectionError as RedisConnectionError

from processor.state.connections import losable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis.asyncio.cluster import ClusterNode
    from redis.asyncio.connection import Connection

_SWITCHED_OFF: Final = "Cluster mode is not enabled"


@contextmanager
def lost_connections() -> Iterator[None]:
    """What is a lost connection, and is raised as something else, as one.

    Raises:
        redis.exceptions.ConnectionError: In place of it.
    """
    try:
        yield
    except SlotNotCoveredError as error:
        raise RedisConnectionError(str(error)) from error
    except AttributeError as error:
        if error.obj is not None:
            raise
        # Two tasks met at a node that went away: the one closed what the other was opening.
        raise RedisConnectionError("the connection was closed meanwhile") from error


class ClusterClient(RedisCluster):
    """The client of a cluster.

    redis-py finds a key's node, follows ``MOVED`` and ``ASK``, and learns the cluster anew when a
    node does not answer, a bounded number of times a command. Beyond that, here: what goes wrong
    is a `redis.exceptions.RedisError`, a time-out is not repeated, and closing closes everything.
    """

    # As for one server: a command that timed out may have been carried out.
    ERRORS_ALLOW_RETRY = (  # type: ignore[assignment] # the base has the time-out, too
        RedisConnectionError,
        ClusterDownError,
        SlotNotCoveredError,
    )

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        kind = losable(self.connection_kwargs["connection_class"])
        self.connection_kwargs["connection_class"] = kind  # of the nodes that it finds …
        for node in self.startup_nodes:  # … and of those that it begins with
            node.connection_class = kind

    async def initialize(self, *args: Any, **kwargs: Any) -> RedisCluster:
        """Find the cluster's nodes, if that is due.

        Raises:
            redis.exceptions.ConnectionError: No node answers, or slots have no master.
            redis.exceptions.ResponseError: The server is not a cluster.
        """
        if not self._initialize:
            return self
        self._lock = self._lock or asyncio.Lock()
        try:
            async with self._lock:
                if self._initialize:
                    await self.nodes_manager.initialize(*args, **kwargs)
                    await self.commands_parser.initialize(self.nodes_manager.default_node)
                    self._initialize = False
        except RedisClusterException as error:  # not a RedisError, and says too much
            if isinstance(error.__cause__, AuthenticationError):
                raise error.__cause__ from None
            if _SWITCHED_OFF in str(error):
                raise ResponseError(
                    "it is not a cluster: its address begins with redis://"
                ) from error
            raise RedisConnectionError(str(error)) from error
        return self

    async def execute_command(self, *args: Any, **kwargs: Any) -> Any:
        """Send a command to the node of its key.

        Raises:
            redis.exceptions.RedisError: As for one server.
        """
        with lost_connections():
            return await super().execute_command(*args, **kwargs)

    async def aclose(self) -> None:
        """Close idle connections now and the others when their command ends; the next one connects.

        redis-py calls it as well, when it learns the cluster anew. Its own takes connections away
        from commands of other tasks.
        """
        self._initialize = True
        manager = self.nodes_manager
        for node in [*manager.nodes_cache.values(), *manager.startup_nodes.values()]:
            node.update_active_connections_for_reconnect()
            await node.disconnect_free_connections()

    async def read_at_once(self, key: str, commands: list[tuple[Any, ...]]) -> list[Any]:
        """Carry out commands on keys of one slot as one transaction, once; see `pipelines`.

        redis-py's own transactions start a thread and an event loop for every command in them.

        Args:
            key: any key of the slot.
            commands: words of each.

        Raises:
            redis.exceptions.RedisError: It was not done; the slot may have moved.
        """
        await self.initialize()
        with lost_connections():
            node = self.get_node_from_key(key)
            if node is None:
                raise RedisConnectionError(f"no node holds the slot of {key}")
            return await self._read_at_once(node, commands)

    async def _read_at_once(self, node: ClusterNode, commands: list[tuple[Any, ...]]) -> list[Any]:
        connection = node.acquire_connection()
        try:
            await node.disconnect_if_needed(connection)
            replies = await _transaction(connection, commands)
        finally:
            node.release(connection)
        callbacks = node.response_callbacks
        return [
            callbacks[command[0]](reply) if command[0] in callbacks else reply
            for command, reply in zip(commands, replies, strict=True)
        ]


async def _transaction(connection: Connection, commands: list[tuple[Any, ...]]) -> list[Any]:
    packed = connection.pack_commands([("MULTI",), *commands, ("EXEC",)])
    await connection.send_packed_command(packed)
    refused: ResponseError | None = None
    for _ in range(len(commands) + 1):
        try:
            await connection.read_response()
        except ResponseError as error:  # the rest is answered as well, and must be read
            refused = refused or error
    try:
        replies: list[Any] = await connection.read_response()
    except ResponseError as aborted:
        raise refused or aborted from None
    if failed := next((r for r in replies if isinstance(r, Exception)), None):
        raise failed
    return replies
