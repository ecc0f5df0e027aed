"""The harness end to end on a real Kafka and Redis: a log, two subjects, a table, a page."""

import json
from dataclasses import replace

import pytest

from benchmarks.__main__ import known, main
from benchmarks.page import TABLES, written
from benchmarks.report import document, machine, rows
from benchmarks.running import Bench, RunError
from benchmarks.stages import OTHER, stage_of
from benchmarks.targets import TARGETS
from benchmarks.variants import VARIANTS, chosen
from benchmarks.workloads import WORKLOADS

EVENTS = 3_000


def bench(kafka_bootstrap: str, redis_url: str, prefix: str, said: list[str]) -> Bench:
    return Bench(kafka_bootstrap, redis_url, EVENTS, EVENTS // 3, said.append, prefix)


@pytest.mark.timeout(180)
def test_a_round_counts_every_event_and_its_figures_make_a_page(
    kafka_bootstrap: str, redis_url: str, topic_prefix: str
) -> None:
    said: list[str] = []
    running = bench(kafka_bootstrap, redis_url, topic_prefix, said)
    variants = chosen(["getmany,count"], VARIANTS)
    variants["count"] = replace(variants["count"], compared_with="getmany")
    running.write_logs(variants)
    results, failed = running.rounds(variants, 1)
    assert not failed
    (count,) = results["count"]
    assert count["counted"] == EVENTS
    assert count["flushes"] >= 1
    # Of the flushes after the claim some may be in Redis already when its counters are first read.
    assert count["redis_scripts"] >= 1
    assert count["redis_commands"] > count["redis_scripts"]
    assert count["readings"] > 0
    assert count["rss_mb"] >= count["rss_end_mb"] > 10
    assert 0 < count["fetch_cpu_s"] < count["cpu_s"]
    found = rows(results, variants)
    assert found["count"].ratio == pytest.approx(
        count["per_cpu_s"] / results["getmany"][0]["per_cpu_s"]
    )
    logs = {"survey": {"events": EVENTS, "bytes_each": running.bytes_each["survey"]}}
    told = document(results, variants, logs, failed, machine())
    figures = {"bench": json.loads(json.dumps(told | {"stages": {}}))}
    page = "".join(f"<!-- {name}: begin -->\n<!-- {name}: end -->\n" for name in TABLES)
    text = written(page, figures)
    assert written(text, figures) == text
    assert f"{EVENTS:,}" in text
    assert f"{found['count'].values['per_cpu_s']:,.0f}" in text
    assert len(said) == 3


@pytest.mark.timeout(120)
def test_a_subject_that_fails_is_said_to_have_failed_and_not_run_again(
    kafka_bootstrap: str, topic_prefix: str
) -> None:
    said: list[str] = []
    running = bench(kafka_bootstrap, "redis://127.0.0.1:1/0", topic_prefix, said)
    variants = chosen(["count"], VARIANTS)
    running.lengths["survey"] = EVENTS
    with pytest.raises(RunError, match="exit code"):
        running.run("count", variants["count"])


def test_variants_name_logs_and_other_variants_that_there_are() -> None:
    variants = known()
    assert {variant.log for variant in variants.values()} <= set(WORKLOADS)
    assert {variant.compared_with for variant in variants.values()} <= set(variants)
    names = list(variants)
    for name, variant in variants.items():  # a round has run what the next is compared with
        if variant.compared_with != name and variant.mode not in ("tick", "live", "getmany"):
            assert names.index(variant.compared_with) < names.index(name)


def test_an_unknown_variant_is_refused() -> None:
    with pytest.raises(SystemExit, match="no variant nonsense"):
        chosen(["count,nonsense"], VARIANTS)


def test_the_list_names_every_variant(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["benchmarks", "--list"])
    assert main() == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(known())


def test_rates_are_scaled_up_and_cpu_seconds_down_to_a_faster_machine() -> None:
    figures = {
        "bench": {
            "speed": 0.5,
            "rows": {
                "count": {"per_cpu_s": 130_000.0, "compared_with": "consume", "ratio": 0.5},
                "tick-10000": {"cpu_s": 1.5},
                "faust": {"compared_with": "count", "ratio": 0.005},
            },
        }
    }
    rate, of_transport, faust, *_ = TARGETS
    assert (rate.value(figures), rate.scaled(figures)) == (130_000, 260_000)
    assert rate.holds(figures)
    assert of_transport.holds(figures) is False
    assert faust.scaled(figures) == pytest.approx(200)
    (tick,) = [target for target in TARGETS if "a tick" in target.measure]
    assert tick.scaled(figures) == 0.75
    assert [target.holds(figures) for target in TARGETS].count(None) == len(TARGETS) - 4


def test_a_stack_is_of_the_task_that_it_is_for() -> None:
    def stage(*files: str) -> str:
        """Of a stack of functions of those files, the innermost last."""
        found: list[str] = []
        scope: dict[str, object] = {"stage_of": stage_of, "found": found}
        call = "found.append(stage_of(__import__('sys')._getframe()))"
        for number, file in enumerate(reversed(files)):
            exec(compile(f"def call_{number}(): {call}", file, "exec"), scope)
            call = f"call_{number}()"
        eval(call, scope)
        return found[0]

    assert stage("/x/processor/core/engine.py", "/x/processor/core/dedup.py") == "remembering ids"
    assert stage("/x/processor/streaming/flushing.py", "/v/site-packages/redis/client.py") == (
        "flushes"
    )
    assert stage("/x/processor/streaming/publisher.py", "/x/schemas/timestamps.py") == (
        "publisher's ticks"
    )
    assert stage("/usr/lib/python3.11/json/encoder.py") == OTHER
