"""Which series an event counts in, and the cap."""

import pytest

from processor.core.segments import Segmentation


def decided(segmentation: Segmentation, *dimensions: dict[str, str]) -> list[tuple[str, ...]]:
    projected = [segmentation.project(d) for d in dimensions]
    segmentation.admit_locally(segmentation.unknown(projected))
    return [segmentation.series(p) for p in projected]


def test_an_event_counts_in_the_whole_and_in_each_set_it_has_all_dimensions_of() -> None:
    segmentation = Segmentation([("channel",), ("product", "channel")])
    assert decided(
        segmentation,
        {"channel": "email", "product": "app", "ignored": "x"},
        {"channel": "email"},
        {"product": "app"},
        {},
    ) == [
        ("all", "channel=email", "channel=email,product=app"),
        ("all", "channel=email"),
        ("all",),
        ("all",),
    ]


def test_values_are_percent_encoded() -> None:
    ((_, series),) = decided(Segmentation([("channel",)]), {"channel": "a=b,c|d é"})
    assert series == "channel=a%3Db%2Cc%7Cd%20%C3%A9"


def test_beyond_the_cap_later_values_share_one_segment_and_earlier_ones_keep_theirs() -> None:
    segmentation = Segmentation([("channel",)], cap=2)
    names = [f"v{i}" for i in range(5)]
    series = decided(segmentation, *({"channel": n} for n in names))
    assert [s[1] for s in series] == ["channel=v0", "channel=v1"] + ["channel=__other__"] * 3
    assert decided(segmentation, {"channel": "v1"}) == [("all", "channel=v1")]
    assert segmentation.unknown([("never seen",)]) == {}


def test_a_million_values_take_no_more_memory_than_the_cap_allows() -> None:
    segmentation = Segmentation([("channel",)], cap=100)
    for i in range(20_000):
        decided(segmentation, {"channel": f"v{i}"})
    assert segmentation.remembered <= 100 + 2 * 100 * 2


def test_decisions_made_elsewhere_are_taken_over() -> None:
    segmentation = Segmentation([("channel",)], cap=10)
    assert segmentation.unknown([("a",), ("b",)]) == {0: ["channel=a", "channel=b"]}
    segmentation.learn(0, ["channel=a"], full=True)
    assert segmentation.series(("a",)) == ("all", "channel=a")
    assert segmentation.series(("b",)) == ("all", "channel=__other__")


def test_the_same_set_written_twice_is_one() -> None:
    assert Segmentation([("b", "a"), ("a", "b"), ()]).sets == (("a", "b"),)


def test_a_cap_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="cap"):
        Segmentation([], cap=0)
