"""Mistakes in metrics of one's own: found at the start, with file and line, or counted."""

import logging
from pathlib import Path
from typing import Any

import pytest

from processor.cli.checks import check_configuration
from processor.core.observation import Observation
from processor.metrics.catalogue import CATALOGUE, configured
from processor.metrics.event_model import Kind, field_names, field_of
from processor.metrics.measures import PLANS, plan_of
from processor.metrics.own import OwnMetric, OwnMetricError, count, distinct, mean, quantile, where
from processor.metrics.own_modules import load_own
from processor.metrics.own_plan import FAILURES
from schemas.event_types import EventType
from tests.cli.commands import run

SOME = {Kind.INTEGER: 1, Kind.NUMBER: 0.5, Kind.TEXT: "any", Kind.BOOLEAN: True}
HEAD = "from processor.metrics.own import *\n"


def load(folder: Path, text: str, name: str = "mine.py") -> tuple[OwnMetric, ...]:
    (folder / name).write_text(HEAD + text)
    return load_own([name], folder)


WRONG = {
    'count("x", summary="s", event="survey")': "there are no survey events; there are survey_resp",
    'count("x", summary="s", event="session", among=where(pages=1))': (
        "session events have no field pages; they have event_id, occurred_at"
    ),
    'count("x", summary="s", event="session", among=where(amount__like=1))': (
        "session events have no field amount.like"
    ),
    'count("x", summary="s", event="survey_response", among=where(survey="npss"))': (
        "survey = npss: survey is one of nps, csat, ces, cli, emotion"
    ),
    'count("x", summary="s", event="survey_response", among=where(score__le="6"))': (
        "score <= 6: score is integer, and '6' is not"
    ),
    'count("x", summary="s", event="purchase", among=where(upsell=1))': "upsell is boolean, and 1",
    'count("x", summary="s", event="session", among=where(action__gt="click"))': "has no order",
    'count("x", summary="s", event="session", among=where(action__in="click"))': "several values",
    'count("x", summary="s", event="session", among=where(lambda *a: True))': "name the fields",
    'count("X y", summary="s", event="session")': "a name is lower-case letters",
    'count("x", summary="a\\nb", event="session")': "the summary is one sentence",
    'count("x", summary="s", event="survey_response", among=where(lambda score: score > 5))': (
        "fails with TypeError ('>' not supported between instances of 'NoneType' and 'int') where "
        "score = None"
    ),
    'mean("x", summary="s", event="social", value="response_seconds")': (
        "response_seconds is number, not integer: give a function"
    ),
    'mean("x", summary="s", event="social", value=lambda response_seconds: response_seconds)': (
        "fails with TypeError (the value is 0.0, which is no integer)"
    ),
    'mean("x", summary="s", event="customer", value="count", unit="euros")': "the unit is one of",
    'mean("x", summary="s", event="customer", value="count", unit="money")': "the unit is one of",
    'mean("x", summary="s", event="customer", value="count", per=0)': "per is an integer of at le",
    'mean("x", summary="s", event="purchase", value="amount_minor")': "name one, where(currency=",
    'count("x", summary="s", event="purchase", among=where(amount_minor__gt=5))': "name one, where",
    'distinct("x", summary="s", event="customer", value="count")': "count is no text",
    'quantile("x", summary="s", event="customer", value="count", percent=100)': "is 1 to 99, not",
    'quantile("x", summary="s", event="customer", value=lambda count: -1)': "which is not 0 to",
    'raise RuntimeError("no")': "RuntimeError: no",
    "count(": "'(' was never closed",
    "import surely_missing": "ModuleNotFoundError: No module named 'surely_missing'",
}


@pytest.mark.parametrize("text", WRONG, ids=range(len(WRONG)))
def test_a_mistake_is_found_where_it_is_written(text: str, tmp_path: Path) -> None:
    with pytest.raises(OwnMetricError) as raised:
        load(tmp_path, f"\n{text}\n")
    assert str(raised.value).startswith(f"{tmp_path / 'mine.py'}:3: ")
    assert WRONG[text] in str(raised.value)


def test_a_name_that_is_taken(tmp_path: Path) -> None:
    for name, place in (
        ("nps", r"processor\.metrics\.survey:\d+"),
        (FAILURES, "the count of failures"),
    ):
        own = load(tmp_path, f'count("{name}", summary="s", event="session")')
        with pytest.raises(OwnMetricError, match=rf"mine\.py:2: the name {name} is .*{place}"):
            configured(own=own)
    twice = 'count("x", summary="s", event="session")\n' * 2
    with pytest.raises(OwnMetricError, match=r"mine\.py:3: the name x is taken, .*mine\.py:2"):
        configured(own=load(tmp_path, twice))


def test_modules_that_are_not_there_or_empty(tmp_path: Path) -> None:
    for name, said in (
        ("other.py", r"other\.py: there is no file .*other\.py"),
        ("surely_missing", "surely_missing: no module of this name is installed"),
        ("surely.missing", "surely.missing: No module named 'surely'"),
    ):
        with pytest.raises(OwnMetricError, match=said):
            load_own([name], tmp_path)
    with pytest.raises(OwnMetricError, match=r"mine\.py: it defines no metrics"):
        load(tmp_path, "")


def test_a_module_by_its_dotted_name_and_modules_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "own_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    load(package, 'count("y", summary="s", event="session")')
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "first.py").write_text(HEAD + 'count("x", summary="s", event="session")')
    for _ in range(2):
        own = load_own(["first.py", "own_package.mine"], tmp_path)
        assert [one.metric.name for one in own] == ["x", "y"]
    assert list(configured(own=own)) == [*CATALOGUE, "x", "y", FAILURES]


@pytest.mark.parametrize("command", [["metrics"], ["replay", "log.jsonl", "--final"], ["worker"]])
def test_commands_end_with_a_sentence(command: list[str], tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(HEAD + 'count("nps", summary="s", event="session")')
    (tmp_path / "cx.toml").write_text('[metrics]\nmodules = ["mine.py"]\n')
    elsewhere = tmp_path / "elsewhere"  # the path is relative to the configuration file
    elsewhere.mkdir()
    (elsewhere / "log.jsonl").write_text("")
    done = run(*command, env={"CX_CONFIG": str(tmp_path / "cx.toml")}, cwd=elsewhere)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{tmp_path / 'mine.py'}:2: the name nps is taken" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_doctor_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CX_CONFIG", str(tmp_path / "cx.toml"))
    (tmp_path / "cx.toml").write_text('[metrics]\nmodules = ["mine.py"]\n')
    (tmp_path / "mine.py").write_text(HEAD + 'count("x", summary="s", event="session")')
    settings, verdict = check_configuration()
    assert settings is not None
    assert verdict.ok
    (tmp_path / "mine.py").write_text(HEAD + 'count("x", summary="s", event="sessions")')
    settings, verdict = check_configuration()
    assert (settings, verdict.ok) == (None, False)
    assert "mine.py:2: x: there are no sessions events" in verdict.finding


def at_run_time(own: OwnMetric, **event: Any) -> tuple[Any, Any]:
    """What an event adds under the plan with this metric."""
    plan = plan_of(own.event_type, "all_responses", [own])
    counted = plan.count(tuple(event.get(name) for name in plan.reads))
    observed = plan.observe(tuple(event.get(name) for name in plan.observes))
    return counted, observed


def test_what_raises_for_an_event_costs_that_metric_only(caplog: pytest.LogCaptureFixture) -> None:
    def not_secret(page: str | None) -> bool:
        if page == "/secret":
            raise KeyError(page)
        return True

    own = count("x", summary="s", event="session", among=where(not_secret))
    plan = plan_of("session", "all_responses", [own])
    with caplog.at_level(logging.WARNING):
        assert plan.count(("click", "/secret")) == (("clicks", 1), ("own_failures.n", 1))
        assert plan.count(("click", "/secret")) == (("clicks", 1), ("own_failures.n", 1))
    assert plan.count(("click", "/")) == (("clicks", 1), ("own_x.n", 1))
    (line,) = caplog.messages
    assert "test_own.py:" in line
    assert "x fails with KeyError" in line
    assert "/secret" not in line


def test_what_raises_for_an_observation_is_counted_by_the_event() -> None:
    def length(page: str | None) -> int:
        return {"any": 3, None: 0}[page]

    own = quantile("x", summary="s", event="session", value=length)
    assert at_run_time(own, action="click", page="any")[1] == [Observation("own_x", None, 3)]
    counted, observed = at_run_time(own, action="click", page="other")
    assert (counted, observed) == ((("clicks", 1),), [Observation("own_failures", None)])
    failures = configured(own=[own])[FAILURES]
    assert failures.compute({"own_failures.n": 2, "own_failures.distinct": 3}).value == 5
    assert failures.compute({}).value == 0
    with pytest.raises(TypeError, match="is not money"):
        failures.compute_for({}, "USD")


def test_the_plan_goes_on_counting_what_it_did_and_reads_each_field_once() -> None:
    own = [
        count("x", summary="s", event="purchase", among=where(kind="refund", dimensions__a="b")),
        distinct("y", summary="s", event="purchase", value="customer_id"),
    ]
    plan = plan_of("purchase", "all_responses", own)
    before = PLANS["purchase"]
    assert plan.reads == (*before.reads, "dimensions.a")
    assert plan.observes == before.observes
    assert plan.count(("refund", 5, "EUR", False, "b")) == (
        *before.count(("refund", 5, "EUR", False)),
        ("own_x.n", 1),
    )
    assert list(plan.observe(("order", "c", "EUR"))) == [
        Observation("buyers.EUR", "c"),
        Observation("own_y", "c"),
    ]
    assert plan_of("session", "all_responses", own) is PLANS["session"]


def test_large_and_negative_values_of_a_mean() -> None:
    def signed(count: int | None) -> int | None:
        return None if count is None else -count

    own = mean("x", summary="s", event="customer", value=signed, among=where(count__le=10**12))
    totals: dict[str, int] = {}
    for n in (10**12, 10**12 - 2):
        for name, added in at_run_time(own, action="snapshot", count=n)[0]:
            totals[name] = totals.get(name, 0) + added
    assert max(totals.values()) < 1 << 53
    estimate = own.metric.compute(totals)
    assert (estimate.value, estimate.n) == (-(10**12) + 1, 2)
    assert estimate.low is not None
    assert estimate.low < -(10**12) + 1
    assert at_run_time(own, action="joined")[0] == (("customers.joined", 1),)


def test_comparisons_and_what_is_absent() -> None:
    def holds(**comparisons: Any) -> list[Any]:
        condition = where(**comparisons)
        return [value for value in (None, "a", "b") if condition.holds((value,))]

    assert holds(dimensions__x="a") == ["a"]
    assert holds(dimensions__x__ne="a") == ["b"]
    assert holds(dimensions__x=None) == [None]
    assert holds(dimensions__x__ne=None) == ["a", "b"]
    assert holds(dimensions__x__in=["a", None]) == [None, "a"]
    assert str(where(dimensions__x__in=["a", None])) == "dimensions.x in (a, absent)"


@pytest.mark.parametrize("event_type", EventType)
def test_every_field_of_every_type_can_be_asked(event_type: EventType) -> None:
    for name in field_names(event_type)[:-1]:
        field = field_of(event_type, name)
        constant = SOME[field.kind] if field.values is None else field.values[-1]
        conditions: dict[str, Any] = {name.replace(".", "__"): constant}
        if name == "amount_minor":
            conditions["currency"] = "EUR"
        own = count("x", summary="s", event=event_type, among=where(**conditions))
        assert own.counting is not None
        assert own.counting.fields[0] == name
