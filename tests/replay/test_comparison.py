"""Readings compared: what counts as the same, and which rows meet."""

import gzip
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processor.replay import LogError
from processor.replay.comparison import Comparison, Tolerance, compare
from processor.replay.comparison_files import compare_files
from processor.replay.comparison_outcome import Kind
from processor.replay.comparison_rows import NotAReading

END = "2026-03-01T12:00:00.000Z"


def reading(**changes: Any) -> dict[str, Any]:
    return {
        "metric": "nps",
        "window": "1h",
        "segment": {},
        "value": 25.0,
        "unit": "points",
        "n": 200,
        "low": 14.2,
        "high": 35.1,
        "confidence": 0.95,
        "low_sample": False,
        "window_start": "2026-03-01T11:00:00.000Z",
        "window_end": END,
        "previous": None,
        "change": None,
        "significant": None,
        "provisional": True,
        "incomplete": False,
        "revision": 3,
        "as_of": "2026-03-01T11:58:00.000Z",
        **changes,
    }


def differing(a: dict[str, Any], b: dict[str, Any], **options: Any) -> list[str]:
    """The fields that two rows disagree on."""
    return [
        found.name for difference in compare([a], [b], **options) for found in difference.fields
    ]


@pytest.mark.parametrize(
    ("field", "value", "other"),
    [
        ("value", 25, 25.0),
        ("value", None, None),
        ("as_of", "2026-03-01T11:58:00Z", "2026-03-01T12:58:00.000+01:00"),
        ("confidence", 0.95, 0.95),
    ],
)
def test_the_same_in_other_words(field: str, value: object, other: object) -> None:
    assert differing(reading(**{field: value}), reading(**{field: other})) == []


@pytest.mark.parametrize(
    ("field", "value", "other"),
    [
        ("value", None, 0),
        ("value", 25.0, 25.000001),
        ("n", 1, 2),
        ("low_sample", False, True),
        ("significant", None, False),
        ("as_of", "2026-03-01T11:58:00Z", "2026-03-01T11:58:01Z"),
        ("unit", "points", "percent"),
        ("extra", 1, True),
        ("extra", True, "True"),
    ],
)
def test_what_differs(field: str, value: object, other: object) -> None:
    assert differing(reading(**{field: value}), reading(**{field: other})) == [field]


def test_a_tolerance_is_for_numbers_that_are_computed() -> None:
    a, b = reading(), reading(value=25.2, low=14.1, n=201)
    assert differing(a, b) == ["low", "n", "value"]
    assert differing(a, b, tolerance=Tolerance.parse("0.3")) == ["n"]
    assert differing(a, b, tolerance=Tolerance.parse("1%")) == ["n"]
    assert differing(a, b, tolerance=Tolerance.parse("0.75%")) == ["n", "value"]
    assert differing(reading(value=None), reading(value=0), tolerance=Tolerance(1.0)) == ["value"]
    assert differing(a, b, ignore=["n", "low", "value"]) == []


def test_the_edge_of_a_tolerance_belongs_to_it() -> None:
    assert Tolerance(absolute=0.5).allows(1.0, 1.5)
    assert not Tolerance(absolute=0.5).allows(1.0, 1.5000001)
    assert Tolerance(relative=0.5).allows(-1.0, -2.0)
    assert not Tolerance(relative=0.49).allows(-1.0, -2.0)


@pytest.mark.parametrize("text", ["", "x", "-1", "nan", "inf", "%", "-1%", "1%%"])
def test_what_is_no_tolerance(text: str) -> None:
    with pytest.raises(ValueError, match="no tolerance"):
        Tolerance.parse(text)


def test_rows_meet_by_series_and_window_wherever_they_stand() -> None:
    money = reading(metric="clv", currency="EUR", unit="money")
    segment = reading(segment={"plan": "pro", "channel": "web"})
    turned = reading(segment={"channel": "web", "plan": "pro"})
    later = reading(window_end="2026-03-01T12:01:00.000Z")
    comparison = compare([money, segment, later, reading()], [reading(), later, turned])
    (only,) = comparison
    assert (only.kind, only.key, only.a, only.b) == (Kind.ONLY_A, "clv|1h|all|EUR", 1, None)
    assert {name: found.as_dict() for name, found in comparison.metrics.items()} == {
        "clv": compare([money], []).finish().metrics["clv"].as_dict(),
        "nps": compare([], []).total().as_dict() | {"compared": 3, "equal": 3},
    }
    assert not comparison.equal


def test_a_window_spoken_of_several_times() -> None:
    """Same rows meet first; the others in order of as_of and revision. ::

    revision   1   2   3   4
    A          10  20  30
    B              20  31  40
    """
    first, second, third = (reading(revision=r, value=10.0 * r) for r in (1, 2, 3))
    other, fourth = reading(revision=3, value=31.0), reading(revision=4, value=40.0)
    comparison = compare([third, first, second], [fourth, second, other])
    found = [(d.kind, d.a, d.b) for d in comparison]
    assert found == [(Kind.FIELDS, 2, 3), (Kind.FIELDS, 1, 1)]
    assert comparison.total().equal == 1
    assert comparison.total().largest == 21.0

    comparison = compare([first, second, third], [second])
    assert [(d.kind, d.a) for d in comparison] == [(Kind.ONLY_A, 1), (Kind.ONLY_A, 3)]


def test_a_summary_of_each_metric() -> None:
    a = [reading(), reading(window="24h"), reading(metric="csat")]
    b = [reading(value=24.0), reading(window="24h"), reading(metric="csat", low=1.0)]
    total = compare(a, b).finish().total()
    assert (total.compared, total.equal, total.differing, total.largest) == (3, 1, 2, 1.0)
    assert total.fields == Counter(value=1, low=1)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"window_end": "yesterday"}, "window_end"),
        ({"value": "9"}, "value"),
        ({"value": True}, "value"),
        ({"value": 10**400}, "value"),
        ({"segment": {"channel": 1}}, "segment"),
        ({"metric": None}, "metric"),
        ({"as_of": 12}, "as_of"),
        ({"provisional": 1}, "provisional"),
    ],
)
def test_what_is_no_reading(change: dict[str, Any], said: str) -> None:
    with pytest.raises(NotAReading, match=f"b, row 2: {said}"):
        compare([], [reading(), reading(**change)])


def test_what_says_which_row_it_is_cannot_be_ignored() -> None:
    with pytest.raises(ValueError, match="window_end cannot be ignored"):
        compare([], [], ignore=["window_end", "n"])


ROWS = st.lists(
    st.builds(
        lambda metric, end, value, n, revision: reading(
            metric=metric,
            window_end=f"2026-03-01T12:{end:02}:00Z",
            value=value,
            n=n,
            revision=revision,
        ),
        st.sampled_from(["nps", "csat"]),
        st.integers(0, 2),
        st.none() | st.sampled_from([1, 1.0, 1.5, 2.0]),
        st.integers(0, 1),
        st.integers(0, 2),
    ),
    max_size=12,
)


def outcome(comparison: Comparison) -> tuple[list[Any], dict[str, Any]]:
    """What is found, without the places of rows."""
    found = sorted(
        str((d.kind, d.key, d.window_end, [(f.name, _number(f.a), _number(f.b)) for f in d.fields]))
        for d in comparison
    )
    return found, {name: summary.as_dict() for name, summary in comparison.metrics.items()}


def _number(value: Any) -> Any:
    return value if value is None else float(value)  # 1 and 1.0 are one


@given(ROWS, st.randoms(use_true_random=False))
def test_a_set_equals_itself_in_any_order_and_any_words(rows: list[Any], chance: Any) -> None:
    shuffled = [json.loads(json.dumps(dict(reversed(row.items())))) for row in rows]
    chance.shuffle(shuffled)
    comparison = compare(rows, shuffled).finish()
    assert comparison.equal
    assert comparison.total().equal == len(rows)


@given(ROWS, ROWS, st.randoms(use_true_random=False))
def test_every_row_is_accounted_for_and_order_does_not_matter(
    a: list[Any], b: list[Any], chance: Any
) -> None:
    expected = outcome(compare(a, b))
    total = compare(a, b).finish().total()
    assert total.compared + total.only_a == len(a)
    assert total.compared + total.only_b == len(b)
    assert sum((Counter(_series(a)) - Counter(_series(b))).values()) == total.only_a
    other_way = compare(b, a).finish().total()
    assert (other_way.only_b, other_way.only_a) == (total.only_a, total.only_b)
    assert (other_way.equal, other_way.differing) == (total.equal, total.differing)
    chance.shuffle(a)
    chance.shuffle(b)
    assert outcome(compare(a, b)) == expected


def _series(rows: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(row["metric"], row["window_end"]) for row in rows]


def write(path: Path, rows: Sequence[Any]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


@given(a=ROWS, b=ROWS)
@settings(max_examples=25)
def test_files_give_what_sets_in_memory_give(
    tmp_path_factory: pytest.TempPathFactory, a: list[Any], b: list[Any]
) -> None:
    folder = tmp_path_factory.mktemp("files")
    names = write(folder / "a.jsonl", a), write(folder / "b.jsonl", b)
    for run_bytes in (1, 1_000, 10**6):  # each row a run, a few, and all in memory
        with compare_files(*names, run_bytes=run_bytes) as comparison:
            assert outcome(comparison) == outcome(compare(a, b))


def test_compressed_files_and_places_are_lines(tmp_path: Path) -> None:
    a = write(tmp_path / "a.jsonl", [reading(), reading(metric="csat")])
    lines = Path(a).read_bytes()
    b = tmp_path / "b.jsonl.gz"
    b.write_bytes(gzip.compress(b"\n" + lines.replace(b"200", b"201", 1)))
    with compare_files(a, str(b)) as comparison:
        ((kind, at_a, at_b),) = [(d.kind, d.a, d.b) for d in comparison]
    assert (kind, at_a, at_b) == (Kind.FIELDS, 1, 2)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "not JSON"),
        ("[]", "a JSON object"),
        ('{"metric":"nps"}', "has the field 'window'"),
        (json.dumps(reading(value=float("nan"))), "not JSON"),
    ],
)
def test_a_line_that_is_no_reading_is_named(tmp_path: Path, line: str, said: str) -> None:
    good = write(tmp_path / "good.jsonl", [reading()])
    bad = tmp_path / "bad.jsonl"
    bad.write_text(f"{json.dumps(reading())}\n{line}\n")
    with (
        pytest.raises(LogError, match=f"bad.jsonl:2: not a reading: .*{said}"),
        compare_files(good, str(bad)),
    ):
        pass
