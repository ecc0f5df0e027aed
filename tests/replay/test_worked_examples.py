"""The contract's worked examples, each as a log that is replayed."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from processor.replay import replay_log
from tests.replay.replays import config, run, write

Row = dict[str, Any]


def reading(folder: Path, metric: str, events: list[dict[str, Any]]) -> Row:
    lines = [
        {"event_id": f"e{i}", "occurred_at": f"2026-03-01T12:{i // 60:02}:{i % 60:02}Z", **event}
        for i, event in enumerate(events)
    ]
    log = folder / "log.jsonl"
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    (row,) = [r for r in replay_log(log, windows=["1h"]) if r["metric"] == metric]
    return row


def answers(survey: str, scores: list[int], **fields: Any) -> list[dict[str, Any]]:
    return [
        {"type": "survey_response", "survey": survey, "score": score, **fields} for score in scores
    ]


def action(session: str, *actions: str) -> list[dict[str, Any]]:
    return [{"type": "session", "session_id": session, "action": a} for a in actions]


def test_nps_of_90_promoters_70_passives_and_40_detractors_is_25(tmp_path: Path) -> None:
    row = reading(tmp_path, "nps", answers("nps", [9, 10] * 45 + [7, 8] * 35 + [0, 6] * 20))
    assert (row["value"], row["n"], row["unit"]) == (25.0, 200, "points")


def test_nps_of_65_promoters_25_passives_and_10_detractors_is_55(tmp_path: Path) -> None:
    row = reading(tmp_path, "nps", answers("nps", [10] * 65 + [8] * 25 + [0] * 10))
    assert (row["value"], row["n"]) == (55.0, 100)


def test_nps_interval_of_three_promoters_is_clipped_to_100(tmp_path: Path) -> None:
    row = reading(tmp_path, "nps", answers("nps", [9, 9, 10]))
    assert (row["value"], round(row["low"]), row["high"]) == (100.0, -7, 100.0)
    assert row["low_sample"] is True


def test_csat_of_9_satisfied_of_10_is_90(tmp_path: Path) -> None:
    row = reading(tmp_path, "csat", answers("csat", [5] * 6 + [4] * 3 + [3]))
    assert (row["value"], row["n"]) == (90.0, 10)
    assert (round(row["low"], 1), round(row["high"], 1)) == (59.6, 98.2)


def test_csat_of_none_satisfied_of_5_is_0(tmp_path: Path) -> None:
    row = reading(tmp_path, "csat", answers("csat", [3, 0, 1, 2, 3]))
    assert (row["value"], row["low"], round(row["high"], 1)) == (0.0, 0.0, 43.4)


def test_ces_of_7_6_5_2_is_5(tmp_path: Path) -> None:
    assert reading(tmp_path, "ces", answers("ces", [7, 6, 5, 2]))["value"] == 5.0


def test_20_000_from_400_orders_is_50_an_order(tmp_path: Path) -> None:
    order = {"type": "purchase", "currency": "USD", "order_id": "o"}
    orders = [
        {**order, "customer_id": f"c{i % 180}", "amount": 30 if i % 2 else "70.00"}
        for i in range(400)
    ]
    row = reading(tmp_path, "average_purchase_value", orders)
    assert (row["value"], row["n"], row["unit"], row["currency"]) == (50.0, 400, "money", "USD")
    assert reading(tmp_path, "revenue", orders)["value"] == 20_000.0


def test_180_customers_who_buy_for_5_years_are_worth_555_55_each(tmp_path: Path) -> None:
    def order(number: int, at: datetime, amount: str) -> dict[str, Any]:
        return {
            "type": "purchase",
            "event_id": f"{at.year}-{number}",
            "occurred_at": at.isoformat(),
            "customer_id": f"c{number % 180}",
            "order_id": f"{at.year}-{number}",
            "amount": amount,
            "currency": "USD",
        }

    last = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
    first = last - timedelta(days=5 * 365.25)
    orders = [order(n, first, "1.00") for n in range(180)]
    orders += [order(180 + n, last - timedelta(minutes=20), "50.00") for n in range(220)]
    orders += [order(400 + n, last, "50.00") for n in range(180)]
    log = write(tmp_path / "log.jsonl", (json.dumps(event).encode() for event in orders))
    engine = config("1h", customer_ttl_ms=6 * 366 * 86_400_000)
    rows = {row["metric"]: row for row in run(log, engine=engine, final=True)}
    assert rows["revenue"]["value"] == 20_000
    assert (rows["orders"]["value"], rows["buying_customers"]["value"]) == (400, 180)
    assert (rows["purchase_frequency"]["value"], rows["purchase_frequency"]["n"]) == (
        400 / 180,
        180,
    )
    assert rows["customer_value"]["value"] == 20_000 / 180
    assert rows["customer_lifespan"]["value"] == 5.0
    assert rows["clv"]["value"] == 100_000 / 180
    assert rows["repeat_purchase_rate"]["value"] == 100.0
    assert rows["repeat_to_one_time_ratio"]["value"] is None


def test_no_answers_are_null_of_0_and_a_count_of_nothing_is_0(tmp_path: Path) -> None:
    events = answers("ces", [4])
    row = reading(tmp_path, "nps", events)
    assert (row["value"], row["n"], row["low"], row["high"]) == (None, 0, None, None)
    row = reading(tmp_path, "orders", events)
    assert (row["value"], row["n"]) == (0, 0)


def test_one_of_four_sessions_with_a_single_page_view_bounces_25_percent(tmp_path: Path) -> None:
    events = [
        *action("bounced", "page_view", "end"),
        *action("read on", "page_view", "page_view"),
        *action("converted", "page_view", "page_view", "conversion"),
        *action("abandoned", "page_view", "cart_add", "page_view"),
        *action("never viewed", "impression", "impression", "click"),
    ]
    bounce = reading(tmp_path, "bounce_rate", events)
    assert (bounce["value"], bounce["n"]) == (25.0, 4)
    assert reading(tmp_path, "ctr", events)["value"] == 50.0
    conversion = reading(tmp_path, "conversion_rate", events)
    assert (conversion["value"], conversion["n"]) == (20.0, 5)
    assert reading(tmp_path, "cart_abandonment_rate", events)["value"] == 100.0
    duration = reading(tmp_path, "avg_session_duration", events)
    assert (duration["value"], duration["n"]) == ((1 + 1 + 2 + 2 + 2) / 5, 5)
