"""``publisher.metrics``: which metrics are published, and what a wrong name is told."""

import json
from pathlib import Path

import pytest

from processor.metrics.catalogue import CATALOGUE, UnknownMetric, configured
from processor.settings import ConfigurationError, PublisherSettings, load_settings
from processor.simulation import encode, simulate
from tests.cli.commands import run
from tests.simulation.streams import START_MS


def test_all_metrics_are_published_unless_told() -> None:
    assert PublisherSettings().metrics is None
    assert configured(names=None) == CATALOGUE


def test_those_that_are_named_are_published_in_the_catalogue_s_order() -> None:
    assert list(configured(names=["csat", "nps"])) == ["nps", "csat"]
    clv = configured(names=["clv"], customer_lifespan_years=3)["clv"]
    assert clv.compute_for is not CATALOGUE["clv"].compute_for


def test_an_unknown_name_is_refused_with_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownMetric, match="did you mean 'ctr'"):
        configured(names=["ctrr"])
    monkeypatch.setenv("CX_PUBLISHER__METRICS", '["bounce_rat"]')
    with pytest.raises(ConfigurationError, match=r"publisher\.metrics: .*did you mean 'bounce_r"):
        load_settings()


def test_no_name_at_all_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CX_PUBLISHER__METRICS", "[]")
    with pytest.raises(ConfigurationError, match=r"publisher\.metrics"):
        load_settings()


def test_a_replay_gives_the_named_ones_alone(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    events = simulate(seed=7, rate=20, start_ms=START_MS, duration_s=60)
    log.write_bytes(b"".join(encode(event) + b"\n" for event in events))
    done = run(
        "replay", str(log), "--final", env={"CX_PUBLISHER__METRICS": '["ctr", "nps"]'}, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert {json.loads(line)["metric"] for line in done.stdout.splitlines()} == {"nps", "ctr"}
