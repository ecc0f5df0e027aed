"""The core and the metrics read no clock and know neither loop, broker nor store.

Replay gives the same bytes at any speed only if time is an argument everywhere.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import processor

ROOT = Path(processor.__file__).parent
SOURCES = sorted(path for package in ("core", "metrics") for path in (ROOT / package).rglob("*.py"))

FORBIDDEN_MODULES = {"aiokafka", "asyncio", "faust", "redis", "rich", "time", "typer", "uvloop"}
CLOCKED_TYPES = {"date", "datetime"}
CLOCK_READS = {"now", "today", "utcnow"}


def impurities(source: str) -> Iterator[str]:
    """What a module does that a pure one does not."""
    tree = ast.parse(source)
    original: dict[str, str] = {}  # what a name was called where it was imported from
    for node in ast.walk(tree):
        modules: list[str] = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [node.module or ""]
            original |= {alias.asname: alias.name for alias in node.names if alias.asname}
        for module in modules:
            if module.partition(".")[0] in FORBIDDEN_MODULES:
                yield f"imports {module}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in CLOCK_READS:
            owner = ast.unparse(node.value).rpartition(".")[2]
            if original.get(owner, owner) in CLOCKED_TYPES:
                yield f"line {node.lineno}: reads the clock by {ast.unparse(node)}"
        elif isinstance(node, ast.AsyncFunctionDef | ast.Await):
            yield f"line {node.lineno}: is asynchronous"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_is_pure(path: Path) -> None:
    assert list(impurities(path.read_text(encoding="utf-8"))) == []


def test_every_module_is_looked_at() -> None:
    assert {"core/estimate.py", "metrics/intervals.py"} <= {
        path.relative_to(ROOT).as_posix() for path in SOURCES
    }


@pytest.mark.parametrize(
    "source",
    [
        "import time",
        "from time import monotonic",
        "def late():\n    import time as t",
        "import redis.asyncio",
        "from asyncio import sleep",
        "import faust",
        "from datetime import datetime\ndatetime.now()",
        "from datetime import datetime as D\nstamp = D.utcnow",
        "import datetime as dt\ndt.date.today()",
        "import datetime\ndatetime.datetime.now(tz=None)",
        "async def flush(): ...",
    ],
)
def test_what_is_not_pure_is_found(source: str) -> None:
    assert list(impurities(source))


@pytest.mark.parametrize(
    "source",
    [
        "from datetime import datetime\ndatetime.fromisoformat('2024-05-01')",
        "def fold(self, now): return self.now + now",
        "from schemas.timestamps import parse_rfc3339",
    ],
)
def test_what_is_pure_is_let_through(source: str) -> None:
    assert list(impurities(source)) == []
