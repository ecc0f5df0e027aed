"""A real Redis Cluster on this machine: masters, replicas, and slots that move."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import redis
from redis.crc import key_slot

from processor.embedded.redis import EmbeddedRedis
from processor.embedded.server import free_port, port_is_free
from tests.harness.waiting import PATIENCE

SLOTS: Final = 16_384
NODE_TIMEOUT_MS: Final = 30_000
"""After this long without an answer a master is replaced: only where the test lets it fail …"""

FAIL_OVER_MS: Final = 1_500
"""… which nobody wants to wait for so long. A busy machine holds up a node for a second or two."""

_BUS: Final = 10_000
"""Nodes speak among themselves on their port plus this."""

_BUS_PORTS: Final = range(30_000, 32_768)
"""Of the nodes' own talk: nobody chooses these, for a server or for an outgoing connection."""

_WAIT_S: Final = 30.0 * PATIENCE
_KEYS_AT_ONCE: Final = 10


class Node(EmbeddedRedis):
    """One node; its configuration of the cluster survives ``kill`` and ``start``."""

    def __init__(self, binary: Path) -> None:
        port = next(
            port
            for port in iter(free_port, 0)
            if port + _BUS in _BUS_PORTS and port_is_free(port + _BUS)
        )
        options = {
            "cluster-enabled": "yes",
            "cluster-config-file": "nodes.conf",
            "cluster-node-timeout": str(NODE_TIMEOUT_MS),
            # A replica that is a little behind may be promoted as well: that is what is tested.
            "cluster-replica-validity-factor": "0",
        }
        arguments = [word for name, value in options.items() for word in (f"--{name}", value)]
        super().__init__(binary=binary, extra_args=arguments, port=port)

    def call(self, *words: Any) -> Any:
        """Send one command to this very node."""
        with redis.Redis(host="127.0.0.1", port=self.port, decode_responses=True) as client:
            return client.execute_command(*words)

    @property
    def node_id(self) -> str:
        """What the cluster calls it."""
        return str(self.call("CLUSTER MYID"))

    def has_met(self, count: int) -> bool:
        """Whether it knows so many nodes by their ids; one that it still greets has none."""
        known = self.call("CLUSTER NODES").values()
        return len(known) == count and not any("handshake" in node["flags"] for node in known)

    def owns(self, slot: int) -> bool:
        """Whether it is the master of a slot, in its own view."""
        for first, last, master, *_ in self.call("CLUSTER SLOTS"):
            if first <= slot <= last:
                return int(master[1]) == self.port
        return False


class Cluster:
    """Three masters, and as many replicas as asked for, the first of the first master.

    Args:
        binary: the redis-server.
        replicas: how many of the masters have one.
    """

    def __init__(self, binary: Path, replicas: int = 0) -> None:
        self.masters = [Node(binary) for _ in range(3)]
        self.replicas = [Node(binary) for _ in range(replicas)]

    @property
    def nodes(self) -> list[Node]:
        """All of them."""
        return self.masters + self.replicas

    @property
    def url(self) -> str:
        """Its address, by the masters that it begins with."""
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in self.masters)
        return f"redis+cluster://{hosts}"

    def __enter__(self) -> Self:
        try:
            for node in self.nodes:
                node.start()
            self._join()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        for node in self.nodes:
            node.stop()

    def _join(self) -> None:
        first = self.masters[0]
        for number, master in enumerate(self.masters):
            begin, end = (SLOTS * n // 3 for n in (number, number + 1))
            master.call("CLUSTER ADDSLOTS", *range(begin, end))
            master.call("CLUSTER SET-CONFIG-EPOCH", number + 1)
        for node in self.nodes[1:]:
            node.call("CLUSTER MEET", "127.0.0.1", first.port)
        _until_each(self.nodes, lambda node: node.has_met(len(self.nodes)), "meeting")
        for master, replica in zip(self.masters, self.replicas, strict=False):
            replica.call("CLUSTER REPLICATE", master.node_id)
        _until_each(
            self.replicas,
            lambda node: node.call("INFO", "replication")["master_link_status"] == "up",
            "replicas in step",
        )
        _until_each(self.nodes, _is_well, "cluster")

    def owner(self, key: str) -> Node:
        """The running master of a key's slot."""
        slot = key_slot(key.encode())
        return next(node for node in self.nodes if node.running and node.owns(slot))

    def fail_over(self, master: Node) -> Node:
        """Kill a master that has a replica: the replica, when it is the master."""
        replica = self.replicas[self.masters.index(master)]
        self._wait_for_nodes(FAIL_OVER_MS)
        master.kill()
        _until_each([replica], lambda node: node.call("ROLE")[0] == "master", "promoted replica")
        self._wait_for_nodes(NODE_TIMEOUT_MS)
        _until_each([node for node in self.nodes if node.running], _is_well, "cluster")
        return replica

    def _wait_for_nodes(self, timeout_ms: int) -> None:
        for node in self.nodes:
            if node.running:
                node.call("CONFIG SET", "cluster-node-timeout", timeout_ms)

    @contextmanager
    def moving(self, slot: int, target: Node) -> Iterator[Callable[[], bool]]:
        """A slot on its way to another master: a step moves a few keys, False when none is left.

        At the end the slot is the target's.
        """
        source = next(node for node in self.nodes if node.running and node.owns(slot))
        source_id, target_id = source.node_id, target.node_id
        target.call("CLUSTER SETSLOT", slot, "IMPORTING", source_id)
        source.call("CLUSTER SETSLOT", slot, "MIGRATING", target_id)

        def step() -> bool:
            keys = source.call("CLUSTER GETKEYSINSLOT", slot, _KEYS_AT_ONCE)
            if keys:
                words = ("127.0.0.1", target.port, "", 0, 5_000, "KEYS", *keys)
                source.call("MIGRATE", *words)
            return bool(keys)

        yield step
        while step():
            pass
        for node in (target, source, *self.masters):
            node.call("CLUSTER SETSLOT", slot, "NODE", target_id)


def _is_well(node: Node) -> bool:
    return bool(node.call("CLUSTER INFO")["cluster_state"] == "ok")


def _until_each(nodes: Iterable[Node], condition: Callable[[Node], object], what: str) -> None:
    deadline = time.monotonic() + _WAIT_S
    for node in nodes:
        while not condition(node):
            assert time.monotonic() < deadline, f"no {what} within {_WAIT_S:g} s"
            time.sleep(0.02)
