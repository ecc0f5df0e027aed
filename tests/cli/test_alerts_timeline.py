"""Alerts drawn over time: pictures of forty columns, a minute each."""

import doctest

import pytest

from processor.cli import tables
from processor.cli.alerts_timeline import subject_of, timeline
from processor.replay.alerting import Episode

START_MS = 1_772_366_400_000
MINUTE_MS = 60_000
WIDTH = 40


def episode(
    began: int, fired: int | None, ended: int | None, channel: str | None = None
) -> Episode:
    """One of an alert; its times are minutes."""

    def at(minute: int | None) -> int | None:
        return None if minute is None else START_MS + minute * MINUTE_MS

    return Episode(
        rule="low",
        severity="warning",
        fingerprint=f"{channel or ''}",
        segment={} if channel is None else {"channel": channel},
        currency=None,
        pending_at_ms=START_MS + began * MINUTE_MS,
        fired_at_ms=at(fired),
        ended_at_ms=at(ended),
    )


def drawn(*episodes: Episode, width: int = WIDTH + len("low") + 2, lines: int = 9) -> list[str]:
    latest_ms = START_MS + WIDTH * MINUTE_MS
    return timeline(episodes, START_MS, latest_ms, width=width, lines=lines)


PICTURES = {
    "at once": (
        [episode(10, 10, 14)],
        "..........#####.........................",
    ),
    "after a while": (
        [episode(10, 14, 19)],
        "..........----######....................",
    ),
    "given up": (
        [episode(10, None, 12)],
        "..........---...........................",
    ),
    "goes on": (
        [episode(30, 35, None)],
        "..............................-----#####",
    ),
    "goes on pending": (
        [episode(35, None, None)],
        "...................................-----",
    ),
    "twice": (
        [episode(0, 2, 4), episode(20, 22, 24)],
        "--###...............--###...............",
    ),
    "firing is not drawn over": (
        [episode(5, 6, 10), episode(10, None, 12)],
        ".....-#####--...........................",
    ),
}


@pytest.mark.parametrize(("episodes", "picture"), PICTURES.values(), ids=PICTURES)
def test_pictures(episodes: list[Episode], picture: str) -> None:
    _, line = drawn(*episodes)
    assert line == f"low  {picture}"


def test_each_alert_has_a_line_and_all_fit_the_width() -> None:
    many = [episode(n, n + 1, n + 2, f"channel-{n:02}-of-a-long-name") for n in range(20)]
    lines = drawn(*many, width=60, lines=5)
    assert len(lines) == 6
    assert {len(line) for line in lines[1:]} == {60}
    assert lines[1].startswith("low channel=channel-00-of-a...  ")
    assert lines[0].strip() == "2026-03-01T12:00:00Z"  # there is no room for the end
    assert drawn() == []


def test_a_log_of_one_instant() -> None:
    one = episode(0, 0, None)
    _, line = timeline([one], START_MS, START_MS, width=30, lines=1)
    assert line.startswith("low  #")


def test_what_an_alert_is_about() -> None:
    one = episode(0, 0, None, "a,b")
    assert subject_of(one) == "low channel=a%2Cb"
    one.currency = "EUR"
    assert subject_of(one) == "low channel=a%2Cb EUR"


def test_examples_in_docstrings() -> None:
    assert doctest.testmod(tables).attempted > 0
    assert doctest.testmod(tables).failed == 0
