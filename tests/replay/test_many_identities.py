"""More buyers and tickets than are told exactly: near enough, and the same however counted."""

import json
import random
from pathlib import Path

import pytest

from processor.core.sample import KEYS_MAX
from processor.metrics.present import Row
from processor.replay import to_line
from tests.replay.histories import BEGIN_MS, text_of
from tests.replay.replays import config, run, write

CUSTOMERS = 3 * KEYS_MAX


def events(rng: random.Random) -> list[bytes]:
    """An hour of orders, one in three by somebody who had bought before, and of resolutions."""
    found = []
    for number in range(CUSTOMERS * 4 // 3):
        at = BEGIN_MS + number * 100
        purchase = {
            "type": "purchase",
            "event_id": f"p{number}",
            "occurred_at": text_of(at),
            "customer_id": f"c{number % CUSTOMERS}",
            "order_id": f"o{number}",
            "amount": "10.00",
            "currency": "EUR",
            "dimensions": {"channel": rng.choice(("web", "app"))},
        }
        found.append(json.dumps(purchase).encode())
    for number in range(2 * KEYS_MAX):
        at = BEGIN_MS + 3_600_000 + number * 100
        ticket = {
            "type": "support_ticket",
            "event_id": f"t{number}",
            "occurred_at": text_of(at),
            "ticket_id": f"t{number}",
            "action": "resolved",
            "opened_at": text_of(at - 1000 * (number % 1000)),
        }
        found.append(json.dumps(ticket).encode())
    return found


@pytest.fixture(scope="module")
def lines() -> list[bytes]:
    return events(random.Random(1))


def replayed(folder: Path, lines: list[bytes], batch_lines: int, partitions: int) -> list[Row]:
    log = write(folder / f"{batch_lines}.jsonl", lines)
    return list(
        run(
            log,
            engine=config("24h"),
            final=True,
            batch_lines=batch_lines,
            partitions=partitions,
        )
    )


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]) -> list[Row]:
    return replayed(tmp_path_factory.mktemp("expected"), lines, 10_000, 1)


def test_they_are_told_within_their_bounds(expected: list[Row]) -> None:
    rows = {
        row["metric"]: row
        for row in expected
        if not row["segment"] and row.get("currency") in {None, "EUR"}
    }
    for metric, truth in (
        ("buying_customers", CUSTOMERS),
        ("repeat_purchase_rate", 100 / 3),
        ("avg_resolution_time_p50", 500),
        ("avg_resolution_time_p90", 900),
    ):
        row = rows[metric]
        assert row["low"] < row["value"] < row["high"]
        # Bounds of 95 % are missed now and then; half of their width more is not.
        width = row["high"] - row["low"]
        assert row["low"] - width / 2 < truth < row["high"] + width / 2, row
        assert row["value"] == pytest.approx(truth, rel=0.06)
    assert rows["buying_customers"]["value"] != CUSTOMERS
    assert rows["purchase_frequency"]["value"] == pytest.approx(4 / 3, rel=0.06)
    assert rows["average_purchase_value"]["value"] == 10.0


@pytest.mark.parametrize(
    ("batch_lines", "partitions"), [pytest.param(97, 1, marks=pytest.mark.soak), (5000, 4)]
)
def test_batches_partitions_and_order_change_no_byte(
    tmp_path: Path, lines: list[bytes], expected: list[Row], batch_lines: int, partitions: int
) -> None:
    rng = random.Random(2)
    late = [(i + rng.randrange(1000), line) for i, line in enumerate(lines)]
    shuffled = [line for _, line in sorted(late, key=lambda item: item[0])]
    again = replayed(tmp_path, shuffled, batch_lines, partitions)
    assert [*map(to_line, again)] == [*map(to_line, expected)]
