"""The files of the deployment, parsed."""

import json
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[2]
DASHBOARD: Final = ROOT / "deploy/grafana/dashboards/cxpulse.json"


def parsed(path: str) -> Any:
    """A YAML file, with its anchors resolved."""
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def dashboard() -> dict[str, Any]:
    """The Grafana dashboard as it is committed."""
    content: dict[str, Any] = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return content
