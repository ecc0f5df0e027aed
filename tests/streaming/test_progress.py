"""When a worker has come to a stand, and when it only waits or slept."""

from dataclasses import replace
from itertools import count
from typing import Any, Final

import pytest

from processor.streaming.progress import (
    PARTITION_FACTOR,
    SETTLING_FACTOR,
    Answer,
    Attempt,
    Awaited,
    PartitionProgress,
    Snapshot,
    StallJudge,
)

LOOKS = 5
"""The judge's patience, in looks."""

UP_TO_DATE = PartitionProgress("surveys-0", 1, 10, 10, 10, 10, 10, lag=0)
HEALTHY = Snapshot(0, True, False, (), (UP_TO_DATE,), (), Answer(None), Answer(None))
TROUBLES: Final[dict[str, dict[str, Any]]] = {
    "Redis away": {"redis": Answer("refused")},
    "Kafka away": {"kafka": Answer("refused")},
    "letters refused": {
        "attempts": (Attempt("surveys-0", Awaited.DEAD_LETTERS, 0.0, "too large"),)
    },
}
STUCK = {
    "not fetched": replace(UP_TO_DATE, end=20, lag=10),
    "not counted": replace(UP_TO_DATE, fetched=20, position=20, end=20, lag=10),
    "not stored": replace(UP_TO_DATE, stored=None, lag=10),
}


class Watching:
    """A judge that looks at a loop that beats."""

    def __init__(self) -> None:
        self.judge = StallJudge(LOOKS, slowest_answer_s=1, tick_s=1)
        self.beats = count(1)
        self.numbers = count(1)

    def look(self, snapshot: Snapshot, times: int = 1) -> str | None:
        """The first verdict."""
        for _ in range(times):
            seen = replace(snapshot, number=next(self.numbers))
            if (verdict := self.judge.look(next(self.beats), seen)) is not None:
                return verdict
        return None


def of(partition: PartitionProgress, **changes: Any) -> Snapshot:
    return replace(HEALTHY, partitions=(partition,), **changes)


def test_a_loop_that_does_not_beat_stalls_after_its_patience() -> None:
    judge = StallJudge(LOOKS, slowest_answer_s=1, tick_s=1)
    assert [judge.look(7, HEALTHY) for _ in range(LOOKS)] == [None] * LOOKS
    assert judge.look(7, HEALTHY) == "the event loop has not run for 5 s"


def test_a_loop_that_beats_once_more_has_its_whole_patience_again() -> None:
    judge = StallJudge(LOOKS, slowest_answer_s=1, tick_s=1)
    beats = [1] * LOOKS + [2] * LOOKS + [3] * LOOKS
    assert [judge.look(beat, HEALTHY) for beat in beats] == [None] * len(beats)


def test_looks_are_counted_so_a_sleep_is_one_of_them() -> None:
    # What a suspended process sees on waking: one late look, and then the loop beats again.
    judge = StallJudge(LOOKS, slowest_answer_s=1, tick_s=1)
    assert judge.look(1, HEALTHY) is None
    assert judge.look(1, HEALTHY) is None
    assert judge.look(2, HEALTHY) is None


@pytest.mark.parametrize("kind", STUCK)
def test_a_partition_with_work_that_does_not_move_stalls(kind: str) -> None:
    watching = Watching()
    patience = PARTITION_FACTOR * LOOKS
    assert watching.look(of(STUCK[kind]), patience) is None
    verdict = watching.look(of(STUCK[kind]))
    assert verdict is not None
    assert verdict.startswith("surveys-0 stands at offset 10: ")
    assert "for 10 s nothing moved" in verdict


def test_the_reason_names_the_part_that_hangs() -> None:
    assert "its log ends at 20 and nothing is fetched" in STUCK["not fetched"].told()
    assert "fetched up to 20 and not counted" in STUCK["not counted"].told()
    assert "counted up to 10 and not written" in STUCK["not stored"].told()


def test_an_agent_that_hangs_is_named_before_those_it_holds_up() -> None:
    others = (
        replace(STUCK["not fetched"], name="a"),
        replace(STUCK["not counted"], name="b"),
    )
    verdict = Watching().look(replace(HEALTHY, partitions=others), 100)
    assert verdict is not None
    assert verdict.startswith("b stands at offset 10")
    assert "(and 1 more partitions)" in verdict


def test_nothing_to_do_is_no_stall() -> None:
    assert Watching().look(HEALTHY, 1_000) is None


@pytest.mark.parametrize("mark", ["chain", "stored", "counted", "fetched", "position"])
def test_whatever_moves_is_progress(mark: str) -> None:
    watching = Watching()
    partition = replace(STUCK["not fetched"], end=10**6)
    for offset in range(1, 1_000):
        moved = replace(partition, **{mark: 10 + offset})  # type: ignore[arg-type]
        assert watching.look(of(moved)) is None


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_known_reason_is_no_stall_and_its_end_begins_the_patience_anew(trouble: str) -> None:
    watching = Watching()
    stuck = STUCK["not counted"]
    assert watching.look(of(stuck), LOOKS) is None
    assert watching.look(of(stuck, **TROUBLES[trouble]), 1_000) is None
    assert watching.look(of(stuck), PARTITION_FACTOR * LOOKS - 1) is None
    assert watching.look(of(stuck), 2) is not None


def test_a_write_without_any_answer_is_not_a_reason() -> None:
    hanging = (Attempt("surveys-0", Awaited.REDIS, 0.0),)
    assert Watching().look(of(STUCK["not stored"], attempts=hanging), 100) is not None


@pytest.mark.parametrize(
    "unsettled", [{"joined": False}, {"rebalancing": True}, {"unclaimed": ("surveys-1",)}]
)
def test_a_rebalance_may_take_long_and_not_for_ever(unsettled: dict[str, Any]) -> None:
    watching = Watching()
    settling = of(STUCK["not counted"], **unsettled)
    assert watching.look(settling, SETTLING_FACTOR * LOOKS - 1) is None
    verdict = watching.look(settling)
    assert verdict is not None
    assert "has not settled for 25 s" in verdict


def test_partitions_wait_for_the_slowest_server_and_the_loop_does_not() -> None:
    judge = StallJudge(2, slowest_answer_s=30, tick_s=1)
    stuck = of(STUCK["not counted"])
    looks = PARTITION_FACTOR * 30
    verdicts = [judge.look(n, replace(stuck, number=n)) for n in range(looks + 1)]
    assert verdicts[:-1] == [None] * looks
    assert verdicts[-1] is not None
    assert judge.look(looks, stuck) is None
    assert judge.look(looks, stuck) == "the event loop has not run for 2 s"


def test_the_same_snapshot_twice_is_one_observation() -> None:
    judge = StallJudge(LOOKS, slowest_answer_s=1, tick_s=1)
    assert [judge.look(n, of(STUCK["not counted"])) for n in range(100)] == [None] * 100
