"""Sessions: timelines, and a brute-force computation under any order of arrival."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.core.panes import DAY_MS, MINUTE_MS, SECOND_MS
from processor.core.session_history import BITS, Action
from processor.core.sessions import Acted, Outcome, Sessions

TIMEOUT, LATENESS = 30 * MINUTE_MS, 2 * MINUTE_MS
START = 1_700_000_000_000
DIMS = ("web",)
NAMES = ("channel",)
END = 1 << 60

Step = tuple[int, str]
"""(milliseconds after START, action)"""


def action(step: Step, tie: int = 0, dims: tuple[str, ...] = DIMS) -> Action:
    return Action(START + step[0], step[1] == "end", tie, BITS[step[1]], dims)


def acts(*actions: Action) -> list[Acted]:
    """What one session id did, as a batch."""
    return [(b"s", a.at_ms, a.bits, a.tie_break, a.dimensions) for a in actions]


def new_sessions() -> Sessions:
    return Sessions(NAMES, timeout_ms=TIMEOUT, longest_ms=DAY_MS, lateness_ms=LATENESS)


class Tally:
    """Counts corrections, and refuses to take back what was never counted."""

    def __init__(self) -> None:
        self.counted: Counter[Outcome] = Counter()

    def take(self, corrections: object) -> "Tally":
        for outcome, n in corrections:  # type: ignore[attr-defined]
            self.counted[outcome] += n
            assert self.counted[outcome] >= 0, outcome
        self.counted = +self.counted
        return self

    @property
    def views(self) -> list[int]:
        return sorted(o.page_views for o in self.counted.elements())


def run(steps: list[Step], *, watermark: int = END) -> Tally:
    sessions, tally = new_sessions(), Tally()
    tally.take(sessions.act(acts(*(action(s, i) for i, s in enumerate(steps))), 0))
    return tally.take(sessions.advance(watermark))


def test_end_closes_at_once() -> None:
    # v---v--E          counted at E, no watermark needed
    sessions, tally = new_sessions(), Tally()
    steps = [(0, "page_view"), (5000, "page_view"), (9000, "end")]
    tally.take(sessions.act(acts(*map(action, steps)), START))
    assert tally.counted == {Outcome(START, START + 9000, 2, 1, DIMS): 1}
    assert sessions.open_count == 0


def test_inactivity_closes_when_the_watermark_passes_the_timeout_and_not_before() -> None:
    # v-----------30 min-----------|
    sessions, tally = new_sessions(), Tally()
    tally.take(sessions.act(acts(action((0, "page_view"))), START))
    tally.take(sessions.advance(START + TIMEOUT - 1))
    assert tally.counted == {}
    assert sessions.open_count == 1
    tally.take(sessions.advance(START + TIMEOUT))
    assert tally.views == [1]
    assert sessions.open_count == 0


def test_a_session_closes_within_a_second_when_the_watermark_does_not_stand_at_a_whole_one() -> (
    None
):
    sessions, tally = new_sessions(), Tally()
    tally.take(sessions.act(acts(action((250, "page_view"))), START))
    tally.take(sessions.advance(START + TIMEOUT + 249))
    assert sessions.open_count == 1
    assert tally.take(sessions.advance(START + TIMEOUT + 250)).views == [1]


@pytest.mark.parametrize(
    ("gap_ms", "sessions"), [(TIMEOUT - 1, [2]), (TIMEOUT, [1, 1]), (TIMEOUT + 1, [1, 1])]
)
def test_an_action_thirty_minutes_or_more_after_the_last_begins_a_new_session(
    gap_ms: int, sessions: list[int]
) -> None:
    assert run([(0, "page_view"), (gap_ms, "page_view")]).views == sessions


@pytest.mark.parametrize(("last_ms", "longest"), [(DAY_MS, 1), (DAY_MS + 1, 2)])
def test_a_session_lasts_a_day_at_most(last_ms: int, longest: int) -> None:
    step = 20 * MINUTE_MS
    steps = [(at, "page_view") for at in range(0, DAY_MS - step, step)]
    steps += [(DAY_MS - step, "page_view"), (last_ms, "page_view")]
    assert len(run(steps).views) == longest


def test_an_action_after_end_begins_a_new_session() -> None:
    assert run([(0, "page_view"), (1000, "end"), (1001, "page_view")]).views == [1, 1]


def test_end_comes_last_of_one_instant() -> None:
    assert run([(0, "end"), (0, "page_view")]).views == [1]


def test_a_late_action_takes_the_old_outcome_back() -> None:
    # v        E        counted: 1 view
    #     v             late, within the lateness: counted: 2 views, the old one taken back
    sessions, tally = new_sessions(), Tally()
    tally.take(sessions.act(acts(action((0, "page_view")), action((9000, "end"))), START))
    assert tally.views == [1]
    tally.take(sessions.act(acts(action((4000, "page_view"))), START))
    assert tally.views == [2]


def test_a_late_end_cuts_a_session_in_two() -> None:
    # v       v         one session so far
    #     E             late: two
    sessions, tally = new_sessions(), Tally()
    tally.take(sessions.act(acts(action((0, "page_view")), action((9000, "page_view"))), START))
    tally.take(sessions.act(acts(action((4000, "end"))), START))
    tally.take(sessions.advance(END))
    assert tally.views == [1, 1]


def test_a_late_action_joins_two_sessions() -> None:
    # v      31 min      v      two sessions; the first still within reach of the watermark
    #            v              29.5 min after the first: one
    sessions, tally = new_sessions(), Tally()
    late = 29 * MINUTE_MS + 30 * SECOND_MS
    first, second = (0, "page_view"), (31 * MINUTE_MS, "page_view")
    watermark = START + 29 * MINUTE_MS
    tally.take(sessions.act(acts(action(first), action(second)), watermark))
    tally.take(sessions.act(acts(action((late, "page_view"))), watermark))
    tally.take(sessions.advance(END))
    assert tally.views == [3]


def test_what_is_counted_has_the_time_and_dimensions_of_the_first_action() -> None:
    sessions, tally = new_sessions(), Tally()
    second = action((10, "page_view"), dims=("app",))
    first = action((0, "page_view"), dims=("web",))
    tally.take(sessions.act(acts(second, first), START - 1))
    tally.take(sessions.advance(END))
    ((outcome, _),) = tally.counted.items()
    assert (outcome.first_ms, outcome.dimensions) == (START, ("web",))


def test_a_closed_session_is_forgotten_after_the_lateness() -> None:
    sessions = new_sessions()
    list(sessions.act(acts(action((0, "page_view")), action((1, "end"))), START))
    list(sessions.advance(START + LATENESS - 1))
    assert len(sessions) == 1
    list(sessions.advance(START + LATENESS))
    assert len(sessions) == 0
    changed, gone = sessions.take_changes()
    assert (changed, gone) == ({}, [b"s"])


def test_an_id_that_was_forgotten_since_the_last_take_begins_anew() -> None:
    sessions, tally = new_sessions(), Tally()
    tally.take(sessions.act(acts(action((0, "page_view")), action((1, "end"))), START))
    tally.take(sessions.advance(START + LATENESS))
    again = START + LATENESS
    tally.take(sessions.act(acts(action((LATENESS + 5, "page_view"))), again))
    tally.take(sessions.act(acts(action((LATENESS + 9, "page_view"))), again))
    changed, gone = sessions.take_changes()
    assert (list(changed), gone) == ([b"s"], [])
    assert changed == sessions.encoded()
    assert tally.take(sessions.advance(END)).views == [1, 2]


def test_a_stored_session_goes_on_under_its_id() -> None:
    before, after, tally = new_sessions(), new_sessions(), Tally()
    before.act(acts(action((0, "page_view"))), START)
    after.restore(before.take_changes()[0].items(), START)
    tally.take(after.act(acts(action((5, "page_view")), action((9, "end"))), START))
    assert tally.views == [2]
    assert list(after.take_changes()[0]) == [b"s"]


def test_a_backfill_far_behind_the_watermark_counts_each_session_once() -> None:
    # Everything is hours late: actions arrive one by one, each after its session was closed.
    sessions, tally = new_sessions(), Tally()
    watermark = START + 5 * 60 * MINUTE_MS
    for step in [(0, "page_view"), (60_000, "page_view"), (120_000, "page_view")]:
        tally.take(sessions.act(acts(action(step)), watermark))
    assert tally.views == [3]


def test_an_id_that_never_rests_keeps_little() -> None:
    sessions, tally = new_sessions(), Tally()
    for hour in range(200):
        at = hour * 60 * MINUTE_MS
        tally.take(sessions.act(acts(action((at, "page_view"))), START + at - LATENESS))
    changed, _ = sessions.take_changes()
    assert len(changed[b"s"]) < 600
    tally.take(sessions.advance(END))
    assert len(tally.views) == 200


def test_a_robot_of_many_actions_keeps_bounded_memory() -> None:
    sessions, tally = new_sessions(), Tally()
    for i in range(50):
        burst = acts(*(action((i * 100 + j, "page_view")) for j in range(100)))
        tally.take(sessions.act(burst, START))
    changed, _ = sessions.take_changes()
    assert len(changed[b"s"]) < 1_100 * 60
    assert tally.take(sessions.advance(END)).views == [5000]


def test_a_session_over_more_dimensions_than_a_journal_holds() -> None:
    sessions, tally = new_sessions(), Tally()
    actions = [action((i * 1000, "page_view"), i, (f"page{i}",)) for i in range(600)]
    for begin in range(0, 600, 90):
        tally.take(sessions.act(acts(*actions[begin : begin + 90]), START))
        sessions = restarted(sessions, START)
    tally.take(sessions.act(acts(action((500, "page_view"))), START))
    assert tally.take(sessions.advance(END)).counted == {
        Outcome(START, START + 599_000, 601, 1, ("page0",)): 1
    }


def test_a_long_session_is_stored_in_few_bytes_and_stays_correctable() -> None:
    sessions, tally = new_sessions(), Tally()
    for i in range(500):
        at = i * 10_000
        tally.take(sessions.act(acts(action((at, "page_view"), i)), START + at - LATENESS))
        assert all(len(stored) < 600 for stored in sessions.take_changes()[0].values())
        sessions = restarted(sessions, START + at - LATENESS)
    tally.take(sessions.act(acts(action((4_985_000, "end"), 501)), START + 4_990_000 - LATENESS))
    assert tally.take(sessions.advance(END)).views == [1, 499]


@pytest.mark.parametrize("timeout_ms", [5 * MINUTE_MS, 60 * MINUTE_MS])
def test_after_a_restart_with_another_timeout_sessions_are_counted_by_it(timeout_ms: int) -> None:
    # v   10 min   v    stored while one session; with a timeout of 5 minutes it is two
    sessions, tally = new_sessions(), Tally()
    steps = [(0, "page_view"), (10 * MINUTE_MS, "page_view")]
    tally.take(sessions.act(acts(*map(action, steps)), START))
    again = Sessions(NAMES, timeout_ms=timeout_ms, longest_ms=DAY_MS, lateness_ms=LATENESS)
    again.restore(sessions.encoded().items(), START)
    tally.take(again.advance(END))
    assert tally.views == ([1, 1] if timeout_ms < 10 * MINUTE_MS else [2])


@pytest.mark.parametrize("late_end", [False, True])
def test_after_a_restart_with_other_dimensions_sessions_have_theirs_by_name(
    late_end: bool,
) -> None:
    steps = [(0, "page_view"), (60_000, "click")] + [(30_000, "end")] * late_end
    sessions = new_sessions()
    sessions.act(acts(*map(action, steps)), START)
    again = Sessions(
        ("country", "channel"), timeout_ms=TIMEOUT, longest_ms=DAY_MS, lateness_ms=LATENESS
    )
    again.restore(sessions.encoded().items(), START)
    closed = again.advance(END)
    assert {outcome.dimensions for outcome, _ in closed} == {(None, "web")}


def test_a_session_of_many_long_dimensions_is_stored_and_comes_back() -> None:
    sessions, tally = new_sessions(), Tally()
    for i in range(250):
        tally.take(sessions.act(acts(action((i * 1_000, "page_view"), i, (f"{i}" * 300,))), START))
    tally.take(restarted(sessions, START).advance(END))
    assert [(o.page_views, o.dimensions) for o in tally.counted] == [(250, ("0" * 300,))]


# -- against brute force ------------------------------------------------------------------------

steps = st.lists(
    st.tuples(
        st.one_of(
            st.integers(0, 5 * MINUTE_MS),
            st.integers(0, 4 * 60 * MINUTE_MS),
            st.sampled_from([k * TIMEOUT + d for k in range(4) for d in (-1, 0, 1)]).filter(
                lambda at: at >= 0
            ),
        ),
        st.sampled_from(["page_view", "click", "cart_add", "order", "conversion", "end"]),
    ),
    max_size=25,
)


def brute_force(history: list[Action]) -> Counter[Outcome]:
    outcomes: Counter[Outcome] = Counter()
    current: list[Action] = []

    def close() -> None:
        if current:
            bits = 0
            for a in current:
                bits |= a.bits & 15
            outcomes[
                Outcome(
                    current[0].at_ms,
                    current[-1].at_ms,
                    sum(a.bits == 1 for a in current),
                    bits,
                    current[0].dimensions,
                )
            ] += 1
            current.clear()

    for a in sorted(history):
        if current and (
            a.at_ms - current[-1].at_ms >= TIMEOUT or a.at_ms - current[0].at_ms > DAY_MS
        ):
            close()
        current.append(a)
        if a.is_end:
            close()
    close()
    return outcomes


@given(steps, st.randoms(use_true_random=False), st.integers(1, 6), st.sampled_from([1, 3]))
def test_any_arrival_within_the_lateness_gives_the_same_outcomes(
    history: list[Step], random: object, batches: int, pages: int
) -> None:
    actions = [action(s, i, (f"page{i % pages}",)) for i, s in enumerate(history)]
    delays = [random.randrange(LATENESS) for _ in actions]  # type: ignore[attr-defined]
    arrival = sorted(range(len(actions)), key=lambda i: actions[i].at_ms + delays[i])
    sessions, tally = new_sessions(), Tally()
    latest = 0
    for chunk in range(0, len(arrival), batches):
        part = [actions[i] for i in arrival[chunk : chunk + batches]]
        latest = max([latest, *(a.at_ms for a in part)])
        tally.take(sessions.act(acts(*part), latest - LATENESS))
        tally.take(sessions.advance(latest - LATENESS))
        if random.random() < 0.3:  # type: ignore[attr-defined]
            sessions = restarted(sessions, latest - LATENESS)
    tally.take(sessions.advance(END))
    assert tally.counted == brute_force(actions)
    assert sessions.open_count == 0
    assert len(sessions) == 0


@given(steps, st.randoms(use_true_random=False), st.integers(1, 6))
def test_however_late_it_comes_every_view_is_counted_once(
    history: list[Step], random: Random, batches: int
) -> None:
    actions = [action(step, i) for i, step in enumerate(history)]
    random.shuffle(actions)
    sessions, tally = new_sessions(), Tally()
    latest = START
    for begin in range(0, len(actions), batches):
        part = actions[begin : begin + batches]
        latest = max([latest, *(a.at_ms for a in part)])
        tally.take(sessions.act(acts(*part), latest - LATENESS))
        tally.take(sessions.advance(latest - LATENESS))
        sessions = restarted(sessions, latest - LATENESS)
    tally.take(sessions.advance(END))
    assert sum(tally.views) == sum(step[1] == "page_view" for step in history)
    assert (sessions.open_count, len(sessions)) == (0, 0)


def restarted(sessions: Sessions, watermark: int) -> Sessions:
    """The same sessions after a restart: what was stored, and nothing else."""
    again = new_sessions()
    again.restore(sessions.encoded().items(), watermark)
    assert again.open_count == sessions.open_count
    return again
