"""A server that goes away under a command: a lost connection, also on the loop of the workers."""

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Any

import pytest
import redis.exceptions
import uvloop

from processor.state.redis_url import async_client
from tests.harness.waiting import eventually

NO_LINGERING = struct.pack("ii", 1, 0)
"""Ends a connection with a reset, as the end of a server does that has not read all."""


def of_pool(client: Any) -> Any:
    return client.connection_pool.make_connection()


def of_sentinel(client: Any) -> Any:
    return of_pool(client.connection_pool.sentinel_manager.sentinels[0])


def of_first_node(client: Any) -> Any:
    return client.startup_nodes[0].acquire_connection()


CLIENTS: dict[str, Callable[[Any], Any]] = {
    "redis://127.0.0.1:{}/0": of_pool,
    "redis+sentinel://127.0.0.1:{}/main": of_sentinel,
    "redis+cluster://127.0.0.1:{}": of_first_node,
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize("url", CLIENTS)
def test_a_command_on_a_connection_that_was_reset_meanwhile_finds_it_lost(
    url: str, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(reset_under(url))


async def reset_under(url: str) -> None:
    clients: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        clients.append(writer)
        while words := await reader.read(4096):
            writer.write(b"+OK\r\n" * words.count(b"*"))

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        client: Any = async_client(url.format(port))
        connection = CLIENTS[url](client)
        await connection.connect()
        (theirs,) = clients
        theirs.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGERING
        )
        theirs.transport.abort()

        async def is_closed() -> bool:
            closing: bool = connection._writer.transport.is_closing()
            return closing

        await eventually(is_closed, what="the connection closed")
        with pytest.raises(redis.exceptions.ConnectionError):
            await connection.send_command("PING")
        assert not connection.is_connected
        await client.aclose()


def test_so_does_one_to_the_master_that_sentinels_name() -> None:
    client: Any = async_client("rediss+sentinel://127.0.0.1:1/main")
    assert type(of_pool(client)).__name__ == type(of_sentinel(client)).__name__ == "Losable"
