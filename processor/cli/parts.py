"""Child processes that never outlive us, each with a log of its own."""

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from processor.cli.errors import CommandError
from processor.embedded import supervisor

_GRACE_S: Final = 12
"""A worker leaves within ten seconds; what takes longer is killed."""

_LOG_TAIL_LINES: Final = 15


class Part:
    """One ``cxpulse`` command as a process that is ended with us, however we end.

    Args:
        name: what a person calls it; its log is ``<name>.log``.
        arguments: of ``cxpulse``.
        folder: where its log goes.
        environment: variables over our own.
    """

    def __init__(
        self, name: str, arguments: Sequence[str], folder: Path, environment: Mapping[str, str]
    ) -> None:
        self.name = name
        self.log_file = folder / f"{name}.log"
        self._arguments = arguments
        self._environment = {**os.environ, **environment}
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start the process."""
        command = [sys.executable, "-m", "processor.cli", *self._arguments]
        with self.log_file.open("ab") as log:
            # The supervisor ends the command when our end of its standard input closes.
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-I", "-S", supervisor.__file__, str(os.getpid()), str(_GRACE_S), ""),
                *command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=log,
                env=self._environment,
                start_new_session=True,  # ctrl-c in the terminal is for us: we end it in order
            )

    async def ended(self) -> int:
        """Wait for its end; returns its exit code."""
        if self._process is None:
            raise AssertionError(f"{self.name} was not started")
        return await self._process.wait()

    async def stop(self) -> None:
        """End it in order, by force where that takes too long; idempotent."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()

    def failure(self, reason: str) -> CommandError:
        """An error that ends with the last lines of the part's log."""
        lines = self.log_file.read_text(errors="replace").splitlines()[-_LOG_TAIL_LINES:]
        tail = "\n".join(["", f"the last lines of {self.name}'s log:", *lines]) if lines else ""
        return CommandError(f"{self.name} {reason}{tail}")
