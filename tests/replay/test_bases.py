"""Customers, members and followers of small logs, written out; random ones: see `test_oracle`."""

import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from processor.replay import replay_log

Row = dict[str, Any]
Line = dict[str, Any]


def at(time: str, event_type: str, action: str, **fields: Any) -> Line:
    """An event of 2026-03-01; the time may have parts of a second."""
    return {"type": event_type, "occurred_at": f"2026-03-01T{time}Z", "action": action, **fields}


def customer(time: str, action: str, **fields: Any) -> Line:
    return at(time, "customer", action, **{"customer_id": "c", **fields})


def readings(folder: Path, events: Iterable[Line], segment: dict[str, str] | None = None) -> Row:
    """Value and n by metric, over the hour that ends with the latest event's minute."""
    lines = [json.dumps({"event_id": f"e{i}", **event}) + "\n" for i, event in enumerate(events)]
    log = folder / "log.jsonl"
    log.write_text("".join(lines))
    rows = replay_log(log, windows=["1h"], by=[["channel"]])
    return {r["metric"]: (r["value"], r["n"]) for r in rows if r["segment"] == (segment or {})}


LEAVING = [customer(f"12:00:{second:02}", "left") for second in range(25)]
BEGUN: dict[str, list[Line]] = {
    "a snapshot before": [customer("10:00:00", "snapshot", count=100)],
    "joined before": [customer("10:00:00", "joined") for _ in range(100)],
    "counted back": [customer("11:59:00", "snapshot", count=100)],
}


@pytest.mark.parametrize("begun", BEGUN)
def test_churn_of_100_subscribers_of_whom_25_leave(tmp_path: Path, begun: str) -> None:
    found = readings(tmp_path, [*BEGUN[begun], *LEAVING])
    assert found["churn_rate"] == (25.0, 100)
    assert found["retention_rate"] == (75.0, 100)
    assert found["customers"] == (75, 75)


def test_retention_of_22_5_is_churn_of_77_5(tmp_path: Path) -> None:
    leaving = [customer(f"12:{n // 60:02}:{n % 60:02}", "left") for n in range(775)]
    found = readings(tmp_path, [customer("10:00:00", "snapshot", count=1000), *leaving])
    assert (found["retention_rate"], found["churn_rate"]) == ((22.5, 1000), (77.5, 1000))


SNAPSHOTS = [
    customer("11:30:00", "snapshot", count=100),
    customer("11:40:00", "joined"),
    customer("11:59:59.999", "joined"),
    customer("12:00:00", "joined"),  # at the instant of the snapshot: in its count
    customer("12:00:00", "snapshot", count=500),
    customer("12:00:00.001", "joined"),
    customer("12:01:00", "left"),
    customer("12:01:30", "left"),
]


@pytest.mark.parametrize("seed", range(5))
def test_the_last_snapshot_holds_whatever_order_they_come_in(tmp_path: Path, seed: int) -> None:
    """Half an hour is less than ``base_detail``: a snapshot may come so late."""
    events = SNAPSHOTS.copy()
    random.Random(seed).shuffle(events)
    found = readings(tmp_path, events)
    assert found["customers"] == (500 + 1 - 2, 499)
    # Counted back from the first: nobody had joined before it.
    assert found["churn_rate"] == (2.0, 100)


def test_a_snapshot_is_of_exactly_the_segment_that_it_names(tmp_path: Path) -> None:
    web = {"dimensions": {"channel": "web"}}
    events = [
        customer("12:00:00", "snapshot", count=100),
        customer("12:00:00", "snapshot", count=30, **web),
        customer("12:00:00", "snapshot", count=7, dimensions={"channel": "web", "plan": "pro"}),
        customer("12:00:01", "joined", **web),
        customer("12:00:02", "joined", dimensions={"channel": "app"}),
    ]
    assert readings(tmp_path, events)["customers"] == (102, 102)
    assert readings(tmp_path, events, web["dimensions"])["customers"] == (31, 31)
    # Of the app's customers nobody has said how many there were.
    assert "customers" not in readings(tmp_path, events, {"channel": "app"})


def test_followers_are_the_sum_of_the_accounts(tmp_path: Path) -> None:
    events = [
        at("10:00:00", "social", "followers", count=1000, account="@a"),
        at("10:00:00", "social", "followers", count=50, account="@b"),
        at("12:00:00", "social", "follow", account="@b"),
        at("12:00:01", "social", "follow", account="@c"),
        at("12:00:02", "social", "unfollow", account="@a"),
        at("12:00:03", "social", "followers", count=1049, account="@a"),
    ]
    found = readings(tmp_path, events)
    assert found["followers"] == (1049 + 51 + 1, 1101)
    assert found["follower_growth_rate"] == (100 * 51 / 1050, 1050)


def test_members_and_what_they_do(tmp_path: Path) -> None:
    events = [
        customer("10:00:00", "snapshot", count=200),
        *(at("10:00:00", "loyalty", "enrolled", customer_id=f"c{n}") for n in range(60)),
        *(at("12:00:00", "loyalty", "left", customer_id=f"c{n}") for n in range(10)),
        *(at("12:00:01", "loyalty", "activity", customer_id=f"c{n % 5}") for n in range(20)),
        *(at("12:00:02", "loyalty", "reward_issued", customer_id="c11") for _ in range(4)),
        at("12:00:03", "loyalty", "reward_redeemed", customer_id="c11"),
    ]
    found = readings(tmp_path, events)
    assert found["loyalty_participation_rate"] == (25.0, 200)
    assert found["active_engagement_rate"] == (10.0, 50)
    assert found["redemption_rate"] == (25.0, 4)


def test_acquisition_cost_is_the_spend_for_each_who_joined(tmp_path: Path) -> None:
    spend: Line = {"type": "marketing_spend", "occurred_at": "2026-03-01T12:00:00Z"}
    events: list[Line] = [
        spend | {"amount": "900.00", "currency": "USD"},
        spend | {"amount": 100, "currency": "USD"},
        *(customer(f"12:00:{second:02}", "joined") for second in range(20)),
    ]
    assert readings(tmp_path, events)["cac"] == (50.0, 20)
