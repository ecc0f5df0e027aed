"""When a receiver is told of what: minutes and seconds moved by hand."""

from collections.abc import Mapping
from typing import Any

from hypothesis import given, settings, strategies

from processor.notifying.grouping import Grouping, Groups, wanted
from processor.notifying.notification import Notification, Told
from tests.notifying.outboxes import alert

SECOND = 1_000
HOUR = 3_600_000


def grouping(**fields: Any) -> Grouping:
    defaults = {
        "by": ("alertname",),
        "wait_ms": 2 * SECOND,
        "interval_ms": 30 * SECOND,
        "repeat_ms": HOUR,
        "max_alerts": 100,
        "whole": True,
    }
    return Grouping(**{**defaults, **fields})


def groups(told: Mapping[str, Told] | None = None, **fields: Any) -> Groups:
    return Groups(grouping(**fields), wants=wanted((), (), {}), send_resolved=True, told=told)


def loud(_: Any) -> bool:
    return False


def said(notification: Notification | None) -> list[tuple[str, str]]:
    assert notification is not None
    return [(one["segment"]["channel"], one["state"]) for one in notification.alerts]


def test_the_first_waits_for_others_and_the_next_for_the_interval() -> None:
    book = groups()
    book.take("1-0", alert(), 0)
    book.take("2-0", alert(channel="app"), SECOND)
    assert book.due(2 * SECOND - 1, loud) is None
    assert book.next_due_ms() == 2 * SECOND
    first = book.due(2 * SECOND, loud)
    assert said(first) == [("web", "firing"), ("app", "firing")]
    assert first is not None
    assert book.cursor == "0-0", "nothing is told before it has arrived"
    book.done(first, 3 * SECOND)
    assert book.cursor == "2-0"

    book.take("3-0", alert("resolved"), 5 * SECOND)
    assert book.next_due_ms() == 33 * SECOND
    second = book.due(33 * SECOND, loud)
    assert said(second) == [("web", "resolved"), ("app", "firing")], "and what fires still"
    assert second is not None
    assert second.status == "firing"
    book.done(second, 33 * SECOND)
    assert book.next_due_ms() == 33 * SECOND + HOUR


def test_what_goes_on_firing_is_told_again() -> None:
    told = {alert()["fingerprint"]: Told("1-0", 10 * SECOND, alert())}
    book = groups(told)
    assert book.next_due_ms() == HOUR + 10 * SECOND
    again = book.due(HOUR + 10 * SECOND, loud)
    assert said(again) == [("web", "firing")]
    assert again is not None
    book.done(again, HOUR + 11 * SECOND)
    assert book.next_due_ms() == 2 * HOUR + 11 * SECOND
    assert book.changed()[alert()["fingerprint"]] is not None, "the next leader knows when"


def test_groups_by_any_label() -> None:
    book = groups(by=("channel", "none"))
    for n, channel in enumerate(["web", "app", "web"]):
        book.take(f"{n + 1}-0", alert(channel=channel, name=f"rule {n}"), 0)
    told = [book.due(2 * SECOND, loud)]
    assert told[0] is not None
    book.done(told[0], 2 * SECOND)
    told.append(book.due(2 * SECOND, loud))
    assert sorted(map(said, told)) == [[("app", "firing")], [("web", "firing")] * 2]


def test_an_entry_is_behind_the_cursor_when_all_before_it_are() -> None:
    book = groups()
    book.take("1-0", alert(name="a"), 0)
    book.take("2-0", alert(name="b"), 0)
    book.take("3-0", alert("pending", name="c"), 0)
    first = book.due(2 * SECOND, loud)
    assert first is not None
    book.postpone(first.group, HOUR)
    second = book.due(2 * SECOND, loud)
    assert second is not None
    book.done(second, 2 * SECOND)
    assert book.cursor == "0-0"
    assert book.waiting == 1
    book.done(first, HOUR)
    assert book.cursor == "3-0"


def test_an_entry_read_again_after_a_restart_is_not_told_again() -> None:
    book = groups()
    book.take("1-0", alert(name="stuck"), 0)
    for n, state in enumerate(["firing", "resolved"]):
        book.take(f"{n + 2}-0", alert(state), n * HOUR)
        notification = book.due((n + 1) * HOUR - 1, loud)
        assert notification is not None
        if notification.changes[0].alert["name"] == "stuck":
            book.postpone(notification.group, 9 * HOUR)
            notification = book.due((n + 1) * HOUR - 1, loud)
            assert notification is not None
        book.done(notification, (n + 1) * HOUR)
    assert book.cursor == "0-0"
    stored = {name: one for name, one in book.changed().items() if one is not None}
    again = groups(stored)
    for n, row in enumerate([alert(name="stuck"), alert(), alert("resolved")]):
        again.take(f"{n + 1}-0", row, 3 * HOUR)
    assert said(again.due(4 * HOUR, loud)) == [("web", "firing")]
    assert again.waiting == 1, "the one that was stuck"


def test_what_the_outbox_has_lost_is_found_in_what_is_stored() -> None:
    told = {alert()["fingerprint"]: Told("1-0", 0, alert())}
    book = groups(told)
    new = alert(channel="app")
    book.reconcile({new["fingerprint"]: new}, SECOND, loud)
    notification = book.due(HOUR - 1, loud)
    assert sorted(said(notification)) == [("app", "firing"), ("web", "resolved")]
    assert notification is not None
    book.done(notification, HOUR)
    book.reconcile({new["fingerprint"]: new}, HOUR, loud)
    assert book.waiting == 0


def test_a_silence_holds_back_what_is_found_after_it() -> None:
    book = groups()
    current = {alert()["fingerprint"]: alert()}
    book.take("1-0", alert(), 0)
    assert book.due(HOUR, lambda _: True) is None
    assert book.cursor == "1-0"
    book.reconcile(current, HOUR, lambda _: True)
    assert book.waiting == 0
    book.reconcile(current, HOUR, loud)
    assert said(book.due(2 * HOUR, loud)) == [("web", "firing")]


@settings(max_examples=40)
@given(
    strategies.lists(strategies.sampled_from("abc"), max_size=40),
    strategies.randoms(use_true_random=False),
)
def test_each_alert_is_told_in_order_whatever_fails(toggled: list[str], random: Any) -> None:
    """Begin, end, begin, …: with failures in between, and with what is told being lost at times."""
    book = groups(max_alerts=2, interval_ms=5 * SECOND)
    expected: dict[str, list[str]] = {}
    got: dict[str, list[str]] = {}
    now = 0

    def tell() -> None:
        notification = book.due(now, loud)
        if notification is None:
            return
        if random.random() < 0.3:
            book.postpone(notification.group, now + 3 * SECOND)
            return
        for change in notification.changes:
            channel = change.alert["segment"]["channel"]
            got.setdefault(channel, []).append(change.alert["state"])
        book.done(notification, now)

    for n, channel in enumerate(toggled):
        states = expected.setdefault(channel, [])
        state = "resolved" if states and states[-1] == "firing" else "firing"
        states.append(state)
        book.take(f"{n + 1}-0", alert(state, channel, began=n), now)
        now += random.randrange(4 * SECOND)
        tell()
    while book.waiting:
        now += SECOND
        tell()
    assert got == expected
    assert book.cursor == (f"{len(toggled)}-0" if toggled else "0-0")
    fires = {channel for channel, states in expected.items() if states[-1] == "firing"}
    assert {one.alert["segment"]["channel"] for one in book.told.values()} == fires
