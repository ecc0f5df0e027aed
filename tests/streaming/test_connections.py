"""A broker that goes away under a request: a lost connection, also on the loop of the workers."""

import asyncio
import socket
import struct
from collections.abc import Callable

import pytest
import uvloop
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.metadata import MetadataRequest

from processor.streaming.connections import make_losable

NO_LINGERING = struct.pack("ii", 1, 0)
"""Ends a connection with a reset, as the end of a broker does that has not read all."""


class Connection(AIOKafkaConnection):  # type: ignore[misc]  # it has no types
    """One that asks for no versions when it is opened: nobody answers it here."""

    async def _do_version_lookup(self) -> None:
        self._versions = {MetadataRequest.API_KEY: (0, 1)}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_requests_on_a_connection_that_is_reset_find_it_lost(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    make_losable()
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(reset_under_requests())


async def reset_under_requests() -> None:
    clients: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        clients.put_nowait(writer)
        while await reader.read(65_536):
            pass

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        connection = Connection("127.0.0.1", server.sockets[0].getsockname()[1])
        await connection.connect()
        theirs = await clients.get()
        theirs.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGERING
        )
        theirs.transport.abort()
        waiting: list[asyncio.Future[object]] = []
        with pytest.raises(KafkaConnectionError):
            await ask_on(connection, waiting)
        assert not connection.connected()
        answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(answer) for answer in answers} <= {KafkaConnectionError}


async def ask_on(connection: Connection, waiting: "list[asyncio.Future[object]]") -> None:
    """One request at each turn of the loop: one of them is between the loss and its news."""
    while True:
        waiting.append(asyncio.ensure_future(connection.send(MetadataRequest([]))))
        await asyncio.sleep(0)
