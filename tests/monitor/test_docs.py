"""``docs/monitor.md``: its examples are answered, and what it names is there."""

import re
from pathlib import Path

import pytest

from processor.settings import MonitorSettings
from tests.monitor.publishing import Publishing, reading
from tests.monitor.serving import Served, following

pytestmark = pytest.mark.timeout(60)

PAGE = (Path(__file__).parents[2] / "docs" / "monitor.md").read_text(encoding="utf-8")
ASKED = re.findall(r'curl -s "?\$base(/[^\s"]+)', PAGE)
FOLLOWED = re.findall(r'curl -sN "\$base/api/stream([^"]*)"', PAGE)


async def test_its_examples_are_answered(served: Served, publishing: Publishing) -> None:
    await publishing.tick(reading())
    assert len(ASKED) > 6
    for path in ASKED:
        answer = await served.http.get(path)
        assert answer.status_code == 200, path
    assert len(FOLLOWED) == 2
    for query in FOLLOWED:
        async with following(served, query) as stream:
            await stream.next("snapshot")
    described = (await served.http.get("/openapi.json")).json()["paths"]
    for path in described:
        if path.startswith("/api/"):
            assert f"{path}" in PAGE


def test_settings_that_it_names_are_there() -> None:
    named = set(re.findall(r"`monitor\.([a-z_]+)`", PAGE))
    assert len(named) > 8
    assert named <= set(MonitorSettings.model_fields)
