"""The logs, how each is replayed, and where its readings are.

A log is stored and stays as it is: a change of the simulation changes no golden. One that is
missing is made anew by its recipe.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from processor.replay import Readings, Rejects, replay_log
from tests.golden import recipes

FOLDER = Path(__file__).parent
NOW = "2026-03-03T00:00:00Z"
CHIEF = ("nps", "csat", "ctr", "bounce_rate", "average_purchase_value", "customers", "followers")
SESSIONS = (
    "bounce_rate", "avg_session_duration", "conversion_rate", "cart_abandonment_rate", "ctr",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Golden:
    """One way of replaying a log, and the file its readings are in.

    Attributes:
        name: folder and file, such as ``money/final``.
        options: of :func:`~processor.replay.replay_log`.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def log(self) -> Path:
        """The event log, beside the readings."""
        return FOLDER / self.name.partition("/")[0] / "log.jsonl"

    @property
    def file(self) -> Path:
        """The readings."""
        return FOLDER / f"{self.name}.jsonl"

    @property
    def is_final(self) -> bool:
        """Whether only the readings at the end are asked for."""
        return "every" not in self.options

    def replayed(self, **options: Any) -> Readings:
        """The readings as they are now."""
        return replay_log(self.log, now=NOW, **self.options, **options)


REFUSING = ("incidents", "money", "refusals")
"""The logs with lines that are refused."""

RECIPES: Mapping[str, Callable[[], Iterable[bytes]]] = {
    "incidents": recipes.incidents,
    "odd-sessions": recipes.odd_sessions,
    "money": recipes.money,
    "refusals": recipes.refusals,
}

BY_CHANNEL: Mapping[str, Any] = {"by": ["channel"]}

GOLDENS = (
    Golden("incidents/final", {"windows": ["1h"], **BY_CHANNEL}),
    Golden("incidents/every-1m", {"windows": ["5m"], "by": [], "every": "1m", "metrics": CHIEF}),
    Golden("odd-sessions/final", {"windows": ["1h", "30d"], "metrics": SESSIONS, **BY_CHANNEL}),
    Golden(
        "odd-sessions/every-10m",
        {"windows": ["1h"], "by": [], "every": "10m", "metrics": ("bounce_rate",)},
    ),
    Golden("money/final", {"windows": ["1h"], **BY_CHANNEL}),
    Golden("refusals/final", {"windows": ["24h"], "metrics": ("nps",), **BY_CHANNEL}),
)


def rejected(folder: str) -> list[str]:
    """What a log's refused lines are refused for, a line of JSON each."""
    with TemporaryFile("w+", encoding="utf-8") as file:
        replay_log(FOLDER / folder / "log.jsonl", now=NOW, rejects=Rejects(file), metrics=("nps",))
        file.seek(0)
        found = [json.loads(line) for line in file]
    for reject in found:
        del reject["file"]
    return [json.dumps(reject, ensure_ascii=False) for reject in found]


def rejects_file(folder: str) -> Path:
    """Where they are stored."""
    return FOLDER / folder / "rejects.jsonl"


def make_missing_logs() -> None:
    """Make the logs that are not there."""
    for name, recipe in RECIPES.items():
        log = FOLDER / name / "log.jsonl"
        if not log.exists():
            log.parent.mkdir(exist_ok=True)
            log.write_bytes(b"".join(line + b"\n" for line in recipe()))
