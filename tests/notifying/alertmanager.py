"""The Alertmanager of these tests: the machine's own, else one that is installed.

``python -m tests.notifying.alertmanager prepare`` installs it where it is missing. Where it cannot
be had, the tests use a receiver that takes what Alertmanager's API takes, and nothing else.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import aiohttp

from processor.embedded.server import LOOPBACK, free_port
from tests.harness.waiting import eventually

NAMES: Final = ("prometheus-alertmanager", "alertmanager")
_APT: Final = (
    ("apt-get", "update", "--quiet"),
    ("apt-get", "install", "--yes", "--quiet", "--no-install-recommends", NAMES[0]),
)


def find() -> Path | None:
    """The machine's own."""
    found = next((found for name in NAMES if (found := shutil.which(name))), None)
    return None if found is None else Path(found)


def prepare() -> Path | None:
    """Install Debian's package if there is none, and if we may."""
    if (found := find()) or os.geteuid() != 0 or not shutil.which("apt-get"):
        return found
    for step in _APT:
        if subprocess.run(step, check=False, stdout=subprocess.DEVNULL).returncode:
            return None
    return find()


class Alertmanager:
    """A real Alertmanager that tells a webhook of all it gets.

    Args:
        binary: as of `find`.
        folder: for its data.
        webhook: the address of the webhook.
    """

    def __init__(self, binary: Path, folder: Path, webhook: str) -> None:
        self._binary = binary
        self._folder = folder
        self._webhook = webhook
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its root."""
        return f"http://{LOOPBACK}:{self._port}/am"

    async def start(self) -> None:
        """Start it, and wait until it is ready."""
        self._spawn()
        await eventually(self._ready, what="a ready Alertmanager")

    def _spawn(self) -> None:
        config = self._folder / "alertmanager.yml"
        config.write_text(
            "route: {receiver: hook, group_by: [alertname], group_wait: 100ms, "
            "group_interval: 1s, repeat_interval: 1h}\n"
            f"receivers: [{{name: hook, webhook_configs: [{{url: '{self._webhook}'}}]}}]\n"
        )
        with (self._folder / "alertmanager.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    self._binary,
                    f"--config.file={config}",
                    f"--storage.path={self._folder}",
                    f"--web.listen-address={LOOPBACK}:{self._port}",
                    "--web.route-prefix=/am",
                    f"--web.external-url={self.url}",
                    "--cluster.listen-address=",
                ],
                stdout=log,
                stderr=log,
            )

    async def _ready(self) -> bool:
        log = self._folder / "alertmanager.log"
        assert self._process is not None
        assert self._process.poll() is None, log.read_text()[-2000:]
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"{self.url}/-/ready") as response,
            ):
                return response.status == 200
        except aiohttp.ClientError:
            return False

    async def stop(self) -> None:
        """End it."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    async def alerts(self) -> dict[str, dict[str, object]]:
        """What fires, by channel, as its API has it."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{self.url}/api/v2/alerts") as response,
        ):
            assert response.status == 200
            return {one["labels"]["channel"]: one for one in await response.json()}


def _main() -> int:
    if sys.argv[1:] != ["prepare"]:
        sys.stderr.write("usage: python -m tests.notifying.alertmanager prepare\n")
        return 2
    found = prepare()
    sys.stderr.write(f"alerts are posted to {found or 'a receiver of the tests own'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(_main())
