"""The browser of these tests: the machine's Chromium, else one that is installed.

``python -m tests.browser.chromium prepare`` installs it where it is missing.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from playwright.async_api import Browser, Playwright
from playwright.sync_api import sync_playwright

from tests.harness.waiting import PATIENCE

NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_START_MS: Final = 40_000 * PATIENCE
_APT: Final = (
    ("apt-get", "update", "--quiet"),
    ("apt-get", "install", "--yes", "--quiet", "--no-install-recommends", "chromium"),
)


class NoBrowserError(RuntimeError):
    """There is no Chromium, and none could be installed; the message says what to do."""


def find() -> Path | None:
    """The machine's own Chromium, or the one that Playwright has fetched."""
    if found := _of_the_machine():
        return found
    with sync_playwright() as playwright:
        fetched = Path(playwright.chromium.executable_path)
    return fetched if fetched.exists() else None


def _of_the_machine() -> Path | None:
    found = next((found for name in NAMES if (found := shutil.which(name))), None)
    return None if found is None else Path(found)


def prepare() -> Path:
    """Install a Chromium if there is none.

    Raises:
        NoBrowserError: that failed.
    """
    if found := find():
        return found
    commands: list[tuple[tuple[str, ...], ...]] = []
    if os.geteuid() == 0 and shutil.which("apt-get"):
        commands.append(_APT)
    commands.append(((sys.executable, "-m", "playwright", "install", "chromium"),))
    for steps in commands:
        if all(subprocess.run(step, check=False).returncode == 0 for step in steps) and (
            found := find()
        ):
            return found
    raise NoBrowserError(
        "the tests of the page need Chromium: install your system's package chromium, "
        f"or run {sys.executable} -m playwright install --with-deps chromium"
    )


async def launch(playwright: Playwright) -> Browser:
    """A headless Chromium.

    Raises:
        NoBrowserError: there is none.
    """
    path = _of_the_machine() or Path(playwright.chromium.executable_path)
    if not os.access(path, os.X_OK):
        raise NoBrowserError(
            "there is no Chromium: python -m tests.browser.chromium prepare installs it"
        )
    return await playwright.chromium.launch(
        executable_path=path, args=list(ARGUMENTS), timeout=_START_MS
    )


def _main() -> int:
    if sys.argv[1:] != ["prepare"]:
        sys.stderr.write("usage: python -m tests.browser.chromium prepare\n")
        return 2
    try:
        sys.stderr.write(f"the page is tested in {prepare()}\n")
    except NoBrowserError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main())
