"""A worker as a process of its own: started, killed, suspended, ended in order."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.harness.waiting import PATIENCE, eventually

_LOG_TAIL: Final = 4_000
_READY: Final = "ready, counting"


@dataclass(frozen=True, slots=True)
class Deployment:
    """What the workers of one test share: servers, and names of their own in them.

    Attributes:
        bootstrap: the broker.
        redis_url: the Redis.
        topic_prefix: begins the topics' names.
        redis_prefix: begins the keys' names.
        settings: further ``CX_`` variables, without the prefix: ``{"ENGINE__LATENESS": "1m"}``.
    """

    bootstrap: str
    redis_url: str
    topic_prefix: str
    redis_prefix: str
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def readings_topic(self) -> str:
        """The compacted topic of readings."""
        return f"{self.topic_prefix}metrics"

    @property
    def alerts_topic(self) -> str:
        """The topic of alerts."""
        return f"{self.topic_prefix}alerts"

    def topic(self, name: str) -> str:
        """An event topic by the contract's name."""
        return self.topic_prefix + name

    def environment(self) -> dict[str, str]:
        """The process environment of a worker: this one's, without its configuration."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("CX_")}
        ours = {
            "KAFKA__BOOTSTRAP": self.bootstrap,
            "KAFKA__TOPIC_PREFIX": self.topic_prefix,
            "KAFKA__READINGS_TOPIC": self.readings_topic,
            "ALERTING__TOPIC": self.alerts_topic,
            "KAFKA__GROUP": f"{self.topic_prefix}group",
            # The shortest that still tells a slow worker on a busy machine from a dead one.
            "KAFKA__SESSION_TIMEOUT_S": "6",
            "KAFKA__HEARTBEAT_INTERVAL_S": "0.5",
            "REDIS__URL": self.redis_url,
            "REDIS__PREFIX": self.redis_prefix,
            **self.settings,
        }
        return {**inherited, **{f"CX_{name}": value for name, value in ours.items()}}


class WorkerProcess:
    """One worker; as a context manager it never outlives the test.

    Args:
        deployment: where it works.
        folder: its working directory and log.
        name: tells it and its log from others.
        settings: ``CX_`` variables of this worker only, without the prefix.
        command: the module that Python runs, and its arguments.
    """

    def __init__(
        self,
        deployment: Deployment,
        folder: Path,
        name: str = "worker",
        settings: Mapping[str, str] | None = None,
        command: Sequence[str] = ("processor.cli", "worker"),
    ) -> None:
        self.deployment = deployment
        self.log_file = folder / f"{name}.log"
        self._folder = folder
        self._command = command
        # A static member: when it comes back after a kill, nobody waits for its session to end.
        ours = {"KAFKA__INSTANCE_ID": name, **(settings or {})}
        self._environment = deployment.environment() | {f"CX_{k}": v for k, v in ours.items()}
        self._process: subprocess.Popen[bytes] | None = None
        self._ready_before = 0

    def start(self) -> Self:
        """Starts it and returns at once; see `until_ready`."""
        assert not self.running
        self._ready_before = len(self.log_lines(_READY))
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *self._command],
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        return self

    @property
    def running(self) -> bool:
        """Whether the process exists."""
        return self._process is not None and self._process.poll() is None

    @property
    def was_ready(self) -> bool:
        """Whether it has had partitions since it was last started."""
        return len(self.log_lines(_READY)) > self._ready_before

    @property
    def pid(self) -> int:
        """Its process id; it was started."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """Ends it as a crash does, with no chance to write anything."""
        assert self.running, self.log()
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def discard(self) -> None:
        """Ends it, if it runs; it may just be ending by itself."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def suspend(self) -> None:
        """Stops its clock: it holds everything and does nothing."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Lets a suspended worker go on, as if no time had passed."""
        os.kill(self.pid, signal.SIGCONT)

    def terminate(self, within_s: float) -> tuple[int, float]:
        """Ends it in order, and waits `PATIENCE` times as long: its exit code, and the seconds."""
        assert self.running, self.log()
        assert self._process is not None
        within_s *= PATIENCE
        began = time.monotonic()
        self._process.terminate()
        try:
            code = self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(
                f"still running {within_s:g} s after SIGTERM\n{self.log()}"
            ) from None
        return code, time.monotonic() - began

    def wait(self, within_s: float) -> int:
        """Waits until it ends by itself, `PATIENCE` times as long: its exit code."""
        assert self._process is not None
        within_s *= PATIENCE
        try:
            return self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {within_s:g} s\n{self.log()}") from None

    async def until_ready(self, within_s: float = 60.0) -> None:
        """Returns when it has its first partitions since it was last started."""

        async def ready() -> bool:
            assert self.running, f"ended with {self._process and self._process.returncode}"
            return self.was_ready

        await eventually(ready, within_s=within_s, what=f"{self.log_file.name} ready")

    def log(self) -> str:
        """The end of its log."""
        return self.log_file.read_text(errors="replace")[-_LOG_TAIL:]

    def log_lines(self, text: str) -> list[str]:
        """The lines of its log that hold a text."""
        if not self.log_file.exists():
            return []
        lines = self.log_file.read_text(errors="replace").splitlines()
        return [line for line in lines if text in line]

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.discard()
        if error is not None:
            error.add_note(f"the end of {self.log_file.name}:\n{self.log()}")
