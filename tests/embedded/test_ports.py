"""Ports are chosen some time before a server listens on them."""

import socket
import subprocess
import sys

import pytest

from processor.embedded.server import (
    PORTS_VARIABLE,
    EmbeddedServerError,
    free_port,
    port_is_free,
)
from tests.cli.commands import SECONDS


def test_a_port_that_was_chosen_is_not_chosen_again() -> None:
    chosen = [free_port() for _ in range(200)]
    assert len(set(chosen)) == len(chosen)


def test_a_port_on_which_somebody_listens_is_not_free() -> None:
    port = free_port()
    assert port_is_free(port)
    with socket.create_server(("127.0.0.1", port)):
        assert not port_is_free(port)


def test_those_that_are_given_are_chosen_from_here_and_in_what_is_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(PORTS_VARIABLE, "20001:29000:3")
    choose = "from processor.embedded.server import free_port\nprint(free_port())"
    started = subprocess.run(
        [sys.executable, "-c", choose], capture_output=True, text=True, check=True, timeout=SECONDS
    )
    for port in (free_port(), int(started.stdout)):
        assert port in range(20_001, 29_000, 3)


@pytest.mark.parametrize("ports", ["x", "20000", "20000:19000", "1:70000", "0:9:1", "1:9:0", "1:"])
def test_ports_that_are_none_are_refused(ports: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PORTS_VARIABLE, ports)
    with pytest.raises(EmbeddedServerError, match="write FIRST:END or FIRST:END:STEP"):
        free_port()
