"""Connections whose loss is one for redis-py, whichever event loop they are on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError

if TYPE_CHECKING:
    from redis.asyncio.connection import ConnectionPool

_Kind = TypeVar("_Kind", bound=AbstractConnection)

CLOSED: Final = "the handler is closed"
"""What uvloop's RuntimeError says where asyncio raises a ConnectionResetError."""


def losable(kind: type[_Kind]) -> type[_Kind]:
    """A kind of connection that says so when it is written to after the server has closed it.

    uvloop closes it at once, redis-py notices when it reads: a command may come in between. Its
    RuntimeError would pass by all who try again, and end the worker.
    """

    class Losable(kind):  # type: ignore[misc, valid-type] # any of redis-py's
        async def send_packed_command(self, *args: Any, **kwargs: Any) -> None:
            """Send a command.

            Raises:
                redis.exceptions.ConnectionError: The connection is lost.
            """
            try:
                await super().send_packed_command(*args, **kwargs)
            except RuntimeError as error:
                if CLOSED not in str(error):
                    raise
                raise RedisConnectionError("the connection was closed meanwhile") from error

    return Losable


def make_losable(pool: ConnectionPool) -> None:
    """Let a pool that has not connected yet make such connections."""
    pool.connection_class = losable(pool.connection_class)
