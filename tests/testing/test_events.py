"""Built events are valid, have ids of their own, and say what was asked for."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from processor.replay import replay_events
from processor.testing import EventBuilder
from schemas.errors import InvalidEvent
from schemas.events import EventType
from schemas.timestamps import parse_rfc3339


def of_every_kind(make: EventBuilder) -> list[dict[str, Any]]:
    return [
        make.nps(9),
        make.nps(5, scale=5),
        make.csat(4),
        make.csat(6, scale=7),
        make.csat(8, scale=10),
        make.ces(7),
        make.cli(6, 5, 4),
        make.emotion("neutral"),
        make.purchase(),
        make.purchase(Decimal("12.345"), "KWD", upsell=True),
        make.refund(3, "JPY"),
        make.session("click", page="/a"),
        *make.visit("page_view", "cart_add", "order", "end"),
        make.ticket(),
        make.ticket("first_response", after=timedelta(minutes=5)),
        make.ticket("resolved", opened_at="2026-03-01T11:00:00Z"),
        make.joined(),
        make.left(),
        make.customers(100),
        make.social("follow", account="@acme"),
        make.social("response"),
        make.social("followers", number=1000),
        make.loyalty("enrolled"),
        make.spend(),
    ]


def test_every_kind_is_valid_and_counted_once() -> None:
    events = of_every_kind(EventBuilder())
    assert {event["type"] for event in events} == set(EventType)
    assert len({event["event_id"] for event in events}) == len(events)
    summary = replay_events(events, windows=["1h"]).summary
    assert summary is not None
    assert summary.total("counted") == len(events)
    assert of_every_kind(EventBuilder()) == events


def test_what_is_said_is_in_the_event() -> None:
    make = EventBuilder(prefix="a-")
    event = make.nps(
        9, at=datetime(2026, 3, 1, tzinfo=UTC), customer_id="ann", channel="email", plan="pro"
    )
    assert event == {
        "type": "survey_response",
        "event_id": "a-event-1",
        "occurred_at": "2026-03-01T00:00:00.000Z",
        "customer_id": "ann",
        "survey": "nps",
        "score": 9,
        "dimensions": {"channel": "email", "plan": "pro"},
    }
    assert make.ces(3)["occurred_at"] == "2026-03-01T00:00:01.000Z"
    assert make.nps(3, event_id="x", dimensions={"page": "/"})["dimensions"] == {"page": "/"}
    resolved = make.ticket("resolved", after=timedelta(minutes=5))
    seconds = parse_rfc3339(resolved["occurred_at"]) - parse_rfc3339(resolved["opened_at"])
    assert seconds == 300_000
    times = [event["occurred_at"][17:19] for event in make.visit("page_view", "click", "end")]
    assert times == ["04", "14", "24"]
    twins = make.many(3, event)
    assert [one["event_id"] for one in twins] == ["a-event-1", *(f"a-event-{n}" for n in (9, 10))]


@pytest.mark.parametrize(
    "build",
    [
        lambda make: make.nps(11),
        lambda make: make.csat(0, scale=7),
        lambda make: make.purchase("1.234", "EUR"),
        lambda make: make.session("dance"),
        lambda make: make.nps(9, Channel="web"),
        lambda make: make.ticket("resolved", opened_at="2027-01-01T00:00:00Z"),
    ],
)
def test_what_breaks_the_contract_is_told_at_once(build: Any) -> None:
    with pytest.raises(InvalidEvent):
        build(EventBuilder())
