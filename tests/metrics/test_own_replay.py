"""Metrics of one's own, from the reference page's example to readings, against brute force."""

import json
from math import sqrt
from pathlib import Path
from typing import Any

import pytest

from processor.metrics.catalogue import CATALOGUE, configured
from processor.metrics.own_modules import load_own
from processor.replay import replay
from schemas.timestamps import format_rfc3339
from tests.cli.commands import run
from tests.metrics.own_example import (
    MODULE,
    Event,
    encoded,
    events,
    example,
    expected,
    within,
    write_example,
)
from tests.replay.replays import config

BEGIN_MS = 1_772_366_400_000
HOUR_MS = 3_600_000
Z = 1.959963984540054
WINDOWS = ("5m", "1h", "24h")


@pytest.fixture(scope="module")
def happened() -> list[Event]:
    return events(seed=11, size=6000, begin_ms=BEGIN_MS, span_ms=5 * HOUR_MS)


@pytest.fixture(scope="module")
def rows(happened: list[Event], tmp_path_factory: pytest.TempPathFactory) -> list[Event]:
    """The readings of a replay in a process of its own, as a user runs it."""
    folder = tmp_path_factory.mktemp("own")
    write_example(folder)
    (folder / "log.jsonl").write_bytes(b"".join(encoded(event) + b"\n" for event in happened))
    chosen = ("--windows", ",".join(WINDOWS), "--by", "channel", "--by", "channel,plan")
    done = run(
        *("replay", "log.jsonl", "--final", "--now", format_rfc3339(BEGIN_MS + 6 * HOUR_MS)),
        *chosen,
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_every_reading_is_what_the_events_say(rows: list[Event], happened: list[Event]) -> None:
    names = expected([])
    own = [row for row in rows if row["metric"] in names]
    assert {(r["metric"], r["window"]) for r in own} >= {(n, w) for n in names for w in WINDOWS}
    assert len({str(row["segment"]) for row in own}) == 1 + 2 + 4
    for row in own:
        value, n = expected(within(happened, row))[row["metric"]]
        assert (row["value"], row["n"]) == (pytest.approx(value, abs=1e-9), n), row


def test_units_and_intervals(rows: list[Event], happened: list[Event]) -> None:
    whole = {r["metric"]: r for r in rows if not r["segment"] and r["window"] == "24h"}
    assert {name: whole[name]["unit"] for name in expected([])} == {
        "unhappy_mail_answers": "percent",
        "high_effort_answers": "count",
        "mean_order_eur": "score",
        "pages_viewed": "count",
        "social_response_p90": "seconds",
        "own_metric_failures": "count",
    }
    share = whole["unhappy_mail_answers"]
    p, n = share["value"] / 100, share["n"]
    middle = (p + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z * sqrt(p * (1 - p) / n + Z * Z / (4 * n * n)) / (1 + Z * Z / n)
    assert share["low"] == pytest.approx(100 * (middle - half))
    assert share["high"] == pytest.approx(100 * (middle + half))
    amounts = [
        float(e["amount"])
        for e in happened
        if e.get("currency") == "EUR" and e.get("kind") != "refund"
    ]
    of_orders = whole["mean_order_eur"]
    variance = sum((a - of_orders["value"]) ** 2 for a in amounts) / (len(amounts) - 1)
    # Of hundreds of values the t-distribution is the normal one to a percent.
    assert of_orders["high"] - of_orders["value"] == pytest.approx(
        Z * sqrt(variance / len(amounts)), rel=0.01
    )
    assert of_orders["low"] + of_orders["high"] == pytest.approx(2 * of_orders["value"])
    p90 = whole["social_response_p90"]
    assert p90["low"] < p90["value"] < p90["high"]
    assert whole["pages_viewed"]["low"] == whole["pages_viewed"]["high"] == 40


def test_the_others_are_as_without(
    rows: list[Event], happened: list[Event], tmp_path: Path
) -> None:
    (tmp_path / "log.jsonl").write_bytes(b"".join(encoded(event) + b"\n" for event in happened))
    chosen = ("--windows", ",".join(WINDOWS), "--by", "channel", "--by", "channel,plan")
    done = run("replay", "log.jsonl", "--final", *chosen, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    without = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row for row in rows if row["metric"] in CATALOGUE] == without


def test_batches_and_partitions_make_no_difference(happened: list[Event], tmp_path: Path) -> None:
    write_example(tmp_path)
    own = load_own([MODULE], tmp_path)
    log = tmp_path / "log.jsonl"
    log.write_bytes(b"".join(encoded(event) + b"\n" for event in happened))

    def readings(**options: Any) -> list[Event]:
        return list(
            replay(
                [log],
                config=config("5m", "1h"),
                metrics=configured(own=own),
                own=own,
                final=True,
                now_ms=BEGIN_MS + 6 * HOUR_MS,
                **options,
            )
        )

    at_once = readings()
    assert readings(partitions=3) == readings(batch_lines=17) == at_once
    assert any(row["metric"] == "social_response_p90" and row["n"] > 30 for row in at_once)


def test_the_command_lists_them_last(tmp_path: Path) -> None:
    write_example(tmp_path)
    listed = run("metrics", "--json", cwd=tmp_path)
    assert listed.returncode == 0, listed.stderr
    found = json.loads(listed.stdout)
    assert [row["name"] for row in found] == [*CATALOGUE, *expected([])]
    share = found[len(CATALOGUE)]
    line = example().splitlines().index("ratio(") + 1
    assert share["source"].endswith(f"my_metrics.py:{line}")
    assert share["formula"] == (
        "100 * those where score <= 6 / survey_response events where "
        "survey = nps and scale = absent and dimensions.channel = email"
    )
    page = run("metrics", "--markdown", cwd=tmp_path)
    assert "## `unhappy_mail_answers`" in page.stdout


def test_they_can_be_chosen_to_be_published(happened: list[Event], tmp_path: Path) -> None:
    write_example(tmp_path)
    (tmp_path / "log.jsonl").write_bytes(b"".join(encoded(event) + b"\n" for event in happened))
    names = '["pages_viewed", "nps"]'
    done = run("replay", "log.jsonl", "--final", env={"CX_PUBLISHER__METRICS": names}, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = {json.loads(line)["metric"] for line in done.stdout.splitlines()}
    assert found == {"pages_viewed", "nps"}
    wrong = run(
        *("replay", "log.jsonl", "--final"),
        env={"CX_PUBLISHER__METRICS": '["pages_view"]'},
        cwd=tmp_path,
    )
    assert wrong.returncode == 2
    assert "publisher.metrics: no metric 'pages_view'; did you mean 'pages_viewed'" in wrong.stderr
