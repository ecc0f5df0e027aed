"""Ports are chosen some time before a server listens on them."""

import socket

from processor.embedded.server import free_port, port_is_free


def test_a_port_that_was_chosen_is_not_chosen_again() -> None:
    chosen = [free_port() for _ in range(200)]
    assert len(set(chosen)) == len(chosen)


def test_a_port_on_which_somebody_listens_is_not_free() -> None:
    port = free_port()
    assert port_is_free(port)
    with socket.create_server(("127.0.0.1", port)):
        assert not port_is_free(port)
