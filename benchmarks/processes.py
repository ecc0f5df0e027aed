"""Processes under measurement: started as modules, ended in order, their CPU time told."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import psutil  # type: ignore[import-untyped] # it has no types

ROOT: Final = Path(__file__).resolve().parent.parent
_READY_S: Final = 120.0
_STOP_S: Final = 20.0
_POLL_S: Final = 0.05


class Measured:
    """One Python module as a process; as a context manager it is ended with its block.

    Args:
        name: of it and its log.
        command: the module, and its arguments.
        folder: of its log.
        env: variables beside ours; of ours those that begin with ``CX_`` are left out.
    """

    def __init__(
        self, name: str, command: Sequence[str], folder: Path, env: Mapping[str, str]
    ) -> None:
        self.name = name
        self.log_file = folder / f"{name}.log"
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("CX_")}
        self._command = [sys.executable, "-m", *command]
        self._environment = {**inherited, **env}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self.log_file.open("wb") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()
        if error is not None:
            error.add_note(f"the end of {self.log_file.name}:\n{self.log()[-3_000:]}")

    @property
    def pid(self) -> int:
        """Its process id; it was started."""
        if self._process is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._process.pid

    def log(self) -> str:
        """What it has printed."""
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    async def until_said(self, text: str) -> None:
        """Return when its log has a text.

        Raises:
            RuntimeError: it ended before.
            TimeoutError: it takes too long.
        """
        async with asyncio.timeout(_READY_S):
            while text not in self.log():
                if self._process is None or self._process.poll() is not None:
                    raise RuntimeError(f"{self.name} ended\n{self.log()[-3_000:]}")
                await asyncio.sleep(_POLL_S)

    def end(self) -> None:
        """End it: in order, or if it takes too long as a crash does."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def cpu_s(pids: Mapping[str, int]) -> dict[str, float]:
    """User and system seconds of processes so far, by their names."""
    found = {}
    for name, pid in pids.items():
        times = psutil.Process(pid).cpu_times()
        found[name] = times.user + times.system
    return found


def spent_s(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """CPU seconds between two looks."""
    return {name: after[name] - before[name] for name in after}
