r"""The peers' environments: one each below ``.bench/``, from its lock file, with hashes.

A peer's packages never meet this project's, nor another peer's. ``<peer>.in`` names what is
installed, ``<peer>.lock`` all that follows from it::

    uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
      --no-annotate --no-header <peer>.in -o <peer>.lock
"""

import hashlib
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parent.parent / ".bench"


def lock_of(environment: str) -> Path:
    """The lock file of an environment."""
    return HERE / f"{environment}.lock"


def python_of(environment: str | None) -> Path:
    """The interpreter of an environment; this process's own for ``None``."""
    if environment is None:
        return Path(sys.executable)
    return ROOT / environment / "bin" / "python"


def is_made(environment: str | None) -> bool:
    """Whether an environment is there, as its lock file has it now."""
    if environment is None:
        return True
    stamp = _stamp(environment)
    return stamp.exists() and stamp.read_text(encoding="utf-8") == _digest(environment)


def make(environment: str) -> None:
    """Make an environment from its lock file, if it is not there or is of another lock.

    Raises:
        subprocess.CalledProcessError: pip could not install it; its output says why.
    """
    if is_made(environment):
        return
    folder = ROOT / environment
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=True)
    subprocess.run(
        [
            *(python_of(environment), "-m", "pip", "install", "--quiet"),
            *("--disable-pip-version-check", "--only-binary", ":all:"),
            *("--require-hashes", "-r", lock_of(environment)),
        ],
        check=True,
    )
    _stamp(environment).write_text(_digest(environment), encoding="utf-8")


def _stamp(environment: str) -> Path:
    """Says which lock file an environment was made from; written last."""
    return ROOT / environment / "installed"


def _digest(environment: str) -> str:
    return hashlib.sha256(lock_of(environment).read_bytes()).hexdigest()
