"""Connections to brokers whose loss is one for aiokafka on uvloop, too."""

from typing import Any, Final

from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError

from processor.state.connections import CLOSED

_SEND: Final = AIOKafkaConnection.send


def make_losable() -> None:
    """Let every connection say so when it is written to after the broker has reset it.

    uvloop closes it at once, and aiokafka a moment later, when its reader hears of it. The
    RuntimeError of a request in between would end whoever sends it, and the worker. aiokafka
    makes its connections where nobody can hand it another kind.
    """
    AIOKafkaConnection.send = _send


def _send(connection: Any, *args: Any, **kwargs: Any) -> Any:
    try:
        return _SEND(connection, *args, **kwargs)
    except RuntimeError as error:
        if CLOSED not in str(error):
            raise
        connection.close(reason=CloseReason.CONNECTION_BROKEN)
        raise KafkaConnectionError(
            f"Connection at {connection.host}:{connection.port} was closed meanwhile"
        ) from error
