"""Panes, windows and tiers."""

import pytest

from processor.core.panes import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    SECOND_MS,
    Tier,
    Window,
    pane_start,
    parse_duration_ms,
    plan_windows,
    tiers_of,
)

DEFAULT = ("1m", "5m", "1h", "24h", "7d", "30d")


@pytest.mark.parametrize(
    ("text", "ms"), [("1s", 1000), ("90s", 90_000), ("24h", DAY_MS), ("30d", 30 * DAY_MS)]
)
def test_durations(text: str, ms: int) -> None:
    assert parse_duration_ms(text) == ms


@pytest.mark.parametrize("text", ["", "0s", "-1m", "1.5h", "5", "m", "1w", "1h30m", "1\u0661m"])
def test_what_is_no_duration_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration_ms(text)


def test_a_pane_is_at_most_a_sixtieth_of_its_window_and_divides_it() -> None:
    names = [*DEFAULT, "60s", "61s", "7m", "90m", "36h", "14d", "365d"]
    for window in plan_windows(names):
        assert window.pane_ms * 60 <= window.size_ms
        assert window.size_ms % window.pane_ms == 0


def test_the_contracts_examples_of_panes() -> None:
    panes = {w.name: w.pane_ms for w in plan_windows(DEFAULT)}
    assert panes["1m"] == SECOND_MS
    assert panes["1h"] == MINUTE_MS
    assert panes["30d"] <= 12 * HOUR_MS


def test_windows_share_tiers_and_come_in_ascending_size() -> None:
    windows = plan_windows(reversed(DEFAULT))
    assert [w.name for w in windows] == list(DEFAULT)
    assert len(tiers_of(windows)) == 4


@pytest.mark.parametrize("names", [[], ["59s"], ["1s"], ["10x"]])
def test_unusable_windows_are_refused(names: list[str]) -> None:
    with pytest.raises(ValueError, match=r"window|duration"):
        plan_windows(names)


def test_a_window_refuses_a_pane_that_does_not_fit() -> None:
    with pytest.raises(ValueError, match="sixtieth"):
        Window("1m", MINUTE_MS, 2 * SECOND_MS)
    with pytest.raises(ValueError, match="multiple"):
        Window("1m", MINUTE_MS, 7)


def test_a_window_ends_with_the_pane_that_holds_its_time() -> None:
    # pane          |----|----|----|
    # t                    ^         end is the end of its pane, also when t starts one
    window = Window("1h", HOUR_MS, MINUTE_MS)
    assert window.end(10 * MINUTE_MS + 1) == 11 * MINUTE_MS
    assert window.end(10 * MINUTE_MS) == 11 * MINUTE_MS
    assert window.end(11 * MINUTE_MS - 1) == 11 * MINUTE_MS
    assert pane_start(10 * MINUTE_MS + 59_999, MINUTE_MS) == 10 * MINUTE_MS


def test_a_tier_keeps_the_panes_of_its_longest_window_and_of_the_one_before() -> None:
    (tier,) = tiers_of([Window("1m", MINUTE_MS, SECOND_MS)])
    assert tier == Tier(SECOND_MS, 2 * MINUTE_MS + SECOND_MS)
    clock = 10 * MINUTE_MS
    end = Window("1m", MINUTE_MS, SECOND_MS).end(clock)
    oldest_of_previous = end - 2 * MINUTE_MS
    assert tier.keeps(oldest_of_previous, clock)
    assert not tier.keeps(oldest_of_previous - 4 * SECOND_MS, clock)
