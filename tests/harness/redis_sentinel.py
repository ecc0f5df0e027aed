"""A real master with its replica, and the Sentinel that promotes the one when the other is gone."""

import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import redis

from processor.embedded.redis import EmbeddedRedis
from processor.embedded.server import LOOPBACK, free_port
from tests.harness.waiting import PATIENCE

SERVICE: Final = "cx-master"
DOWN_AFTER_MS: Final = 60_000
"""After this long without an answer it promotes by itself: not where a busy machine holds up the
master for a second or two. It promotes no replica that has been without its master for more than
ten times that."""
_WAIT_S: Final = 30.0 * PATIENCE


class Sentinel(EmbeddedRedis):
    """A Sentinel that decides alone.

    Args:
        master: the server that it watches at first.
        binary: the redis-server.
        password: asked of its clients.
        master_password: with which it goes to the servers.
    """

    def __init__(
        self, master: EmbeddedRedis, binary: Path, password: str = "", master_password: str = ""
    ) -> None:
        super().__init__(binary=binary, appendonly=False)
        self._master = master
        self._password = password
        self._master_password = master_password

    def _prepare(self, folder: Path) -> None:
        file = folder / "sentinel.conf"
        if file.exists():  # it writes there what it has learned
            return
        lines = [
            f"port {self.port}",
            f"bind {LOOPBACK}",
            f"dir {folder}",
            f"sentinel monitor {SERVICE} {LOOPBACK} {self._master.port} 1",
            f"sentinel down-after-milliseconds {SERVICE} {DOWN_AFTER_MS}",
            f"sentinel failover-timeout {SERVICE} 60000",
        ]
        if self._master_password:
            lines.append(f"sentinel auth-pass {SERVICE} {self._master_password}")
        file.write_text("\n".join([*lines, ""]))

    def _command(self, folder: Path) -> Sequence[str | Path]:
        return [self._binary, folder / "sentinel.conf", "--sentinel"]

    def _answers(self) -> bool:
        if not super()._answers():
            return False
        if self._password:  # now, as an answer is asked for without it
            self.call("CONFIG SET", "requirepass", self._password)
        return True

    def call(self, *words: Any) -> Any:
        """Send one command."""
        with redis.Redis(host=LOOPBACK, port=self.port, decode_responses=True) as client:
            return client.execute_command(*words)


class Replicated:
    """A master and a replica under the eyes of a Sentinel.

    Args:
        binary: the redis-server.
    """

    def __init__(self, binary: Path) -> None:
        self.master = EmbeddedRedis(binary=binary)
        self.replica = EmbeddedRedis(
            binary=binary, extra_args=("--replicaof", LOOPBACK, str(self.master.port))
        )
        self.sentinel = Sentinel(self.master, binary)

    @property
    def url(self) -> str:
        """The service's address; the first Sentinel that it names is away."""
        return (
            f"redis+sentinel://{LOOPBACK}:{free_port()},{LOOPBACK}:{self.sentinel.port}/{SERVICE}"
        )

    def __enter__(self) -> Self:
        try:
            self.master.start()
            self.replica.start()
            self._until_in_step()
            self.sentinel.start()
            self._until_known()
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
        for server in (self.sentinel, self.replica, self.master):
            server.stop()

    def replica_call(self, *words: Any) -> Any:
        """Send one command to the server that began as the replica."""
        with redis.Redis(host=LOOPBACK, port=self.replica.port, decode_responses=True) as client:
            return client.execute_command(*words)

    def cut_off(self) -> None:
        """Let the replica follow no more: what the master gets from now on is lost with it."""
        self.replica_call("CONFIG SET", "masterauth", "not-the-password")
        self.replica_call("CLIENT KILL", "TYPE", "master")

    def fail_over(self) -> None:
        """Kill the master and have the replica take its place; see `promoted`."""
        self.master.kill()
        deadline = time.monotonic() + _WAIT_S
        while True:
            try:
                self.sentinel.call("SENTINEL FAILOVER", SERVICE)
            except redis.ResponseError:  # it has not heard of the replica for a while
                assert time.monotonic() < deadline, "the Sentinel does not promote the replica"
                time.sleep(0.02)
            else:
                return

    def promoted(self) -> bool:
        """Whether the replica is the master, and the Sentinel says so."""
        address = self.sentinel.call("SENTINEL GET-MASTER-ADDR-BY-NAME", SERVICE)
        return int(address[1]) == self.replica.port and self.replica_call("ROLE")[0] == "master"

    def _until_in_step(self) -> None:
        deadline = time.monotonic() + _WAIT_S
        while self.replica_call("INFO", "replication").get("master_link_status") != "up":
            assert time.monotonic() < deadline, "the replica does not follow"
            time.sleep(0.02)

    def _until_known(self) -> None:
        deadline = time.monotonic() + _WAIT_S
        while not self.sentinel.call("SENTINEL REPLICAS", SERVICE):
            assert time.monotonic() < deadline, "the Sentinel does not see the replica"
            time.sleep(0.02)
