"""The replay's own workers: processes that end with us, however we end."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from processor.embedded import supervisor
from processor.rehearsal.errors import RehearsalError

_GRACE_S: Final = 12
"""A worker leaves within ten seconds; what takes longer is killed."""

_LOG_TAIL_LINES: Final = 15


class Workers:
    """Ordinary ``cxpulse worker`` processes, each with a log of its own.

    Args:
        environment: gives them the replay's settings.
        folder: for their logs.
    """

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        self._environment = environment
        self._folder = folder
        self._processes: dict[Path, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        """Start one more.

        Args:
            name: under which it is a member of the group, so that one that comes back after a kill
                need not wait until its session has ended.
        """
        log_file = self._folder / f"{name}.log"
        command = ["-m", "processor.cli", "worker", "--instance-id", name, "--wait", "30s"]
        with log_file.open("ab") as log:
            self._processes[log_file] = subprocess.Popen(  # noqa: S603 - our own command
                [
                    sys.executable,
                    *("-I", "-S", supervisor.__file__, str(os.getpid()), str(_GRACE_S), ""),
                    *(sys.executable, *command),
                ],
                stdin=subprocess.PIPE,  # when our end of it closes, the supervisor ends the worker
                stdout=subprocess.DEVNULL,
                stderr=log,
                env=dict(self._environment),
                start_new_session=True,  # ctrl-c in the terminal is for us: we end it in order
            )

    def check(self) -> None:
        """Go on only while all run.

        Raises:
            RehearsalError: one has ended by itself, with the end of its log.
        """
        for log_file, process in self._processes.items():
            if process.poll() is not None:
                lines = log_file.read_text(errors="replace").splitlines()[-_LOG_TAIL_LINES:]
                said = f"{log_file.stem} ended by itself with exit code {process.returncode}"
                raise RehearsalError("\n".join([f"{said}; the last lines of its log:", *lines]))

    def stop(self) -> None:
        """End them all in order, by force where that takes too long; idempotent."""
        processes, self._processes = list(self._processes.values()), {}
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        for process in processes:
            process.wait()
            if process.stdin is not None:
                process.stdin.close()


@contextmanager
def running_workers(count: int, environment: Mapping[str, str]) -> Iterator[Workers]:
    """So many workers, as long as the context lasts; none where others do the work."""
    with TemporaryDirectory(prefix="cxpulse-replay-") as folder:
        workers = Workers(environment, Path(folder))
        try:
            for number in range(1, count + 1):
                workers.start(f"worker-{number}")
            yield workers
        finally:
            workers.stop()
