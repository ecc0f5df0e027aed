"""What the embedded servers have in common: a folder, ports, a process and its end."""

import contextlib
import fcntl
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Self

LOOPBACK = "127.0.0.1"

# Below the range from which Linux takes the source ports of outgoing connections. A client that
# reconnects to a stopped server whose port lies within it can be given that very port, connect
# to itself, and keep the server from coming back.
_PORTS = range(15_000, 30_000)
_PORTS_END = 65_536
PORTS_VARIABLE = "CX_EMBEDDED__PORTS"
_PORT_ATTEMPTS = 200
_ports_given: set[int] = set()
_POLL_SECONDS = 0.01
_LOCK_SECONDS = 5.0
_LOG_TAIL_LINES = 20
_SUPERVISOR = Path(__file__).with_name("supervisor.py")
# Would change what the server does behind our back, or make Java print a banner.
_UNWANTED_ENVIRONMENT = frozenset({"JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS"})


class EmbeddedServerError(RuntimeError):
    """A server could not be prepared, started or ended; the message says what to do."""


def port_is_free(port: int) -> bool:
    """Tells whether a server could listen on the loopback port now."""
    with socket.socket() as probe:
        # As the servers do: connections that linger from a former run do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """A loopback port that nobody listens on now, and never the same one twice.

    Whoever got one may not listen on it yet, or his server may be away for a while. What another
    process was given is not known here: processes that start servers at the same time choose from
    ports of their own where ``$CX_EMBEDDED__PORTS`` gives each of them some.

    Raises:
        EmbeddedServerError: None was found, or the variable is wrong.
    """
    choice, ports = random.SystemRandom(), _port_range()
    for _ in range(_PORT_ATTEMPTS):
        port = choice.choice(ports)
        if port not in _ports_given and port_is_free(port):
            _ports_given.add(port)
            return port
    raise EmbeddedServerError(f"no free port on {LOOPBACK} in {ports.start}-{ports.stop - 1}")


def _port_range() -> range:
    chosen = os.environ.get(PORTS_VARIABLE)
    if not chosen:
        return _PORTS
    words = re.fullmatch(r"(\d+):(\d+)(?::([1-9]\d*))?", chosen)
    ports = range(*(int(word) for word in words.groups("1"))) if words else range(0)
    if not ports or not 0 < ports[0] <= ports[-1] < _PORTS_END:
        raise EmbeddedServerError(
            f"{PORTS_VARIABLE} is {chosen!r}: write FIRST:END or FIRST:END:STEP, "
            "ports from FIRST to before END"
        )
    return ports


class EmbeddedServer(ABC):
    """A server process on loopback that lives no longer than the process that owns it.

    It keeps its ports and its folder through `kill`, `restart` and ``stop(keep_data=True)``.
    Not safe for use from several threads at once.

    Args:
        data_dir: The server's folder, made if missing. Without it the data is temporary and
            removed by `stop`, or by the supervisor when this process ends without it.
        start_timeout: Seconds within which the server has to answer.
        stop_timeout: Seconds to end in by itself, before it is killed.
    """

    name: ClassVar[str]

    def __init__(
        self,
        data_dir: Path | None,
        *,
        port: int | None,
        start_timeout: float,
        stop_timeout: float,
    ) -> None:
        self._given_data_dir = None if data_dir is None else Path(data_dir).absolute()
        self._data_dir = self._given_data_dir
        self._port = port
        self._start_timeout = start_timeout
        self._stop_timeout = stop_timeout
        self._supervisor: subprocess.Popen[bytes] | None = None
        self._pid: int | None = None
        self._folder_lock: int | None = None

    @property
    def port(self) -> int:
        """The loopback port, the same for the life of this object."""
        if self._port is None:
            self._port = free_port()
        return self._port

    # What a server has to say about itself.

    @abstractmethod
    def _ports(self) -> Mapping[str, int]:
        """The ports it listens on, by what they are for; chosen once, then the same."""

    @abstractmethod
    def _prepare(self, folder: Path) -> None:
        """Writes what the server needs in its folder before it starts."""

    @abstractmethod
    def _command(self, folder: Path) -> Sequence[str | Path]:
        """The command line; its first word is an absolute path."""

    @abstractmethod
    def _answers(self) -> bool:
        """One real request: whether the server answered it as a server that is ready does."""

    # The life of the process.

    @property
    def data_dir(self) -> Path:
        """The folder of data and log.

        Raises:
            EmbeddedServerError: The data is temporary and there is none now.
        """
        if self._data_dir is None:
            raise EmbeddedServerError(f"embedded {self.name} has no data yet: start it first")
        return self._data_dir

    @property
    def log_file(self) -> Path:
        """Where the server's output goes."""
        return self.data_dir / f"{self.name.lower()}.log"

    @property
    def running(self) -> bool:
        """Whether the process exists, be it suspended."""
        return self._supervisor is not None and self._supervisor.poll() is None

    @property
    def pid(self) -> int:
        """The server's own process id.

        Raises:
            EmbeddedServerError: It does not run.
        """
        if not self.running or self._pid is None:
            raise EmbeddedServerError(f"embedded {self.name} is not running")
        return self._pid

    def start(self) -> Self:
        """Starts the server and returns when it answers a request.

        Raises:
            EmbeddedServerError: It runs already, a port is taken, the folder cannot be used,
                or it did not answer in time; the message ends with the log's last lines.
                Neither a process nor new temporary data is left behind.
        """
        if self.running:
            raise EmbeddedServerError(f"embedded {self.name} is running already")
        first_start = self._data_dir is None
        try:
            self._start()
        except BaseException as error:  # also ctrl-c while it starts
            self._end(signal.SIGKILL)
            failure = self._failure(str(error)) if isinstance(error, OSError) else error
            if first_start:
                self.stop()
            if failure is error:
                raise
            raise failure from error
        return self

    def stop(self, *, keep_data: bool = False) -> None:
        """Ends the server in an orderly way, by force if it takes too long; idempotent.

        Args:
            keep_data: Leaves temporary data where it is, for another `start`.
        """
        self._end(signal.SIGTERM)
        if not keep_data and self._given_data_dir is None and self._data_dir is not None:
            shutil.rmtree(self._data_dir, ignore_errors=True)
            self._data_dir = None

    def kill(self) -> None:
        """Ends the server with SIGKILL; `start` brings it back with its ports and data."""
        self._end(signal.SIGKILL)

    def restart(self) -> Self:
        """Stops the server, if it runs, and starts it with the same ports and data."""
        self.stop(keep_data=True)
        return self.start()

    def suspend(self) -> None:
        """Stops the clock of the server (SIGSTOP): it accepts connections, never answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Lets a suspended server go on."""
        os.kill(self.pid, signal.SIGCONT)

    def __enter__(self) -> Self:
        return self if self.running else self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # How.

    def _start(self) -> None:
        folder = self._make_folder()
        self._lock(folder)
        for purpose, port in self._ports().items():
            if not port_is_free(port):
                raise self._failure(f"port {port} ({purpose}) is in use by another process")
        self._prepare(folder)
        self._launch(folder)
        self._await_answer()

    def _make_folder(self) -> Path:
        if self._data_dir is None:
            self._data_dir = Path(tempfile.mkdtemp(prefix=f"cxpulse-{self.name.lower()}-"))
        self._data_dir.mkdir(parents=True, exist_ok=True)
        return self._data_dir

    def _lock(self, folder: Path) -> None:
        """Keeps two servers out of one folder: Kafka lets a second one ruin its metadata.

        The lock belongs to the open file, which the server and its supervisor inherit, so that
        it lasts as long as any of them. A killed Redis that was writing its file anew leaves the
        process that does so behind for a moment.
        """
        self._folder_lock = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        deadline = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                return fcntl.flock(self._folder_lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise EmbeddedServerError(
                        f"embedded {self.name} did not start: another server uses {folder}"
                    ) from error
            time.sleep(_POLL_SECONDS)

    def _unlock(self) -> None:
        if self._folder_lock is not None:
            os.close(self._folder_lock)
            self._folder_lock = None

    def _launch(self, folder: Path) -> None:
        assert self._folder_lock is not None
        environment = {k: v for k, v in os.environ.items() if k not in _UNWANTED_ENVIRONMENT}
        temporary = "" if self._given_data_dir else str(folder)
        supervise: list[str | Path] = [sys.executable, "-I", "-S", _SUPERVISOR, str(os.getpid())]
        with self.log_file.open("ab") as log:
            self._supervisor = subprocess.Popen(
                [*supervise, str(self._stop_timeout), temporary, *self._command(folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=folder,
                env=environment,
                pass_fds=[self._folder_lock],
                # Ctrl-c in a terminal goes to its foreground group; we end the server in order.
                start_new_session=True,
            )
        assert self._supervisor.stdout is not None
        with self._supervisor.stdout as output:
            line = output.readline()
        if not line:
            raise self._failure("its supervisor did not start")
        self._pid = int(line)

    def _await_answer(self) -> None:
        assert self._supervisor is not None
        deadline = time.monotonic() + self._start_timeout
        while not self._answers():
            # Waiting for the end that should not come is the pause between two requests.
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = self._supervisor.wait(timeout=_POLL_SECONDS)
                raise self._failure(f"it ended with exit code {code}")
            if time.monotonic() > deadline:
                raise self._failure(f"no answer within {self._start_timeout:g} s")

    def _end(self, how: signal.Signals) -> None:
        supervisor, self._supervisor = self._supervisor, None
        pid, self._pid = self._pid, None
        if supervisor is None:
            self._unlock()
            return
        try:
            if pid is not None:
                self._signal_until_gone(supervisor, pid, how)
        finally:
            assert supervisor.stdin is not None
            # To a supervisor that still runs this is the news that nobody owns its server.
            supervisor.stdin.close()
            supervisor.wait(timeout=self._stop_timeout + 5)
            self._unlock()

    def _signal_until_gone(
        self, supervisor: subprocess.Popen[bytes], pid: int, how: signal.Signals
    ) -> None:
        for number, patience in ((how, self._stop_timeout), (signal.SIGKILL, 5.0)):
            if supervisor.poll() is not None:
                return
            # The supervisor reaps the server, then ends: in between the id belongs to nobody.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
                os.kill(pid, signal.SIGCONT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                supervisor.wait(timeout=patience)

    def _failure(self, reason: str) -> EmbeddedServerError:
        return EmbeddedServerError(
            f"embedded {self.name} did not start: {reason}{self._log_tail()}"
        )

    def _log_tail(self) -> str:
        if self._data_dir is None or not self.log_file.is_file():
            return ""
        lines = self.log_file.read_text(errors="replace").splitlines()
        # Java's stack frames would push the reason out of sight.
        lines = [line for line in lines if not line.startswith("\tat ")][-_LOG_TAIL_LINES:]
        return "\n".join(["\nThe last lines of its log:", *lines]) if lines else ""
