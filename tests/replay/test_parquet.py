import io
import json
import sys
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from processor.replay import LogError, read_log
from tests.replay.replays import run

AT = datetime(2026, 3, 1, 12, 0, 0, 250_999, tzinfo=UTC)


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for chunk in read_log(path, lines_per_chunk=3) for line in chunk.lines]


def written(path: Path, table: pa.Table, **options: Any) -> Path:
    parquet.write_table(table, path, **options)
    return path


def test_a_row_is_an_event(tmp_path: Path) -> None:
    """Maps and structs are objects, nulls are fields left out, times are in UTC."""
    table = pa.table(
        {
            "event_id": pa.array(["a", "b"]).dictionary_encode(),
            "type": ["survey_response", "purchase"],
            "occurred_at": pa.array([AT, AT], pa.timestamp("ns", "Europe/Berlin")),
            "dimensions": pa.array(
                [[("channel", "web"), ("plan", None)], []], pa.map_(pa.string(), pa.string())
            ),
            "answers": pa.array([{"recommend": 5, "repurchase": None}, None]),
            "score": pa.array([9.0, None], pa.float64()),
            "amount": pa.array([None, Decimal("1234.50")], pa.decimal128(12, 2)),
            "upsell": pa.array([None, True]),
            "response_seconds": pa.array([1.5, None], pa.float32()),
            "note": pa.nulls(2),
        }
    )
    first, second = lines_of(written(tmp_path / "log", table))
    assert list(first) == [
        *("type", "event_id", "occurred_at", "dimensions"),
        *("answers", "score", "response_seconds"),
    ]
    assert first["occurred_at"] == "2026-03-01T12:00:00.250Z"
    assert first["dimensions"] == {"channel": "web"}
    assert first["answers"] == {"recommend": 5}
    assert (first["score"], type(first["score"])) == (9, int)
    assert first["response_seconds"] == 1.5
    assert second == {
        "type": "purchase",
        "event_id": "b",
        "occurred_at": "2026-03-01T12:00:00.250Z",
        "dimensions": {},
        "amount": "1234.50",
        "upsell": True,
    }


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_of_every_resolution(tmp_path: Path, unit: str) -> None:
    at = AT.astimezone(timezone(timedelta(hours=-3))).replace(microsecond=0)
    table = pa.table({"occurred_at": pa.array([at], pa.timestamp(unit, "+02:00"))})
    (event,) = lines_of(written(tmp_path / "log", table))
    assert event == {"occurred_at": "2026-03-01T12:00:00.000Z"}


def test_a_time_without_a_zone_is_refused_as_such_a_text_is(tmp_path: Path) -> None:
    rows = {
        "type": ["survey_response"] * 4,
        "event_id": ["1", "2", "3", "4"],
        "survey": ["nps"] * 4,
        "score": [9, 9, None, 9],
    }
    naive = pa.array([AT.replace(tzinfo=None)] * 4, pa.timestamp("us"))
    texts = pa.array(
        ["2026-03-01T12:00:00Z", "2026-03-01T13:00:00.5+01:00", "2026-03-01T12:00:00Z"]
    )
    refused = run(written(tmp_path / "a", pa.table(rows | {"occurred_at": naive})), final=True)
    assert list(refused) == []
    assert refused.summary.rejected == {"invalid_field": 4}
    table = pa.table(rows).slice(0, 3).append_column("occurred_at", texts)
    result = run(written(tmp_path / "b", table), final=True)
    assert {row["n"] for row in result if row["metric"] == "nps"} == {2}
    assert [(reject.line, reject.code) for reject in result.summary.shown] == [(3, "missing_field")]


def test_rows_are_numbered_over_all_row_groups(tmp_path: Path) -> None:
    table = pa.table({"number": range(1, 5001)})
    log = written(tmp_path / "log", table, row_group_size=700)
    for chunk in read_log(log, lines_per_chunk=333):
        assert [json.loads(line)["number"] for line in chunk.lines] == list(
            range(chunk.first_line, chunk.first_line + len(chunk.lines))
        )
    assert len(lines_of(log)) == 5000


def test_a_file_that_is_cut_off_says_so(tmp_path: Path) -> None:
    log = written(tmp_path / "log.parquet", pa.table({"number": range(5000)}))
    log.write_bytes(log.read_bytes()[:-10])
    with pytest.raises(LogError, match=r"log\.parquet: cannot be read as Parquet"):
        lines_of(log)


def test_standard_input_is_no_parquet_file(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.BufferedReader(io.BytesIO(b"PAR1 and more"))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(stream))
    with pytest.raises(LogError, match="read from its end: name the file"):
        list(read_log("-"))


def test_without_pyarrow_it_is_said_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = written(tmp_path / "log", pa.table({"number": [1]}))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(LogError, match=r"pip install 'cxpulse\[parquet\]'"):
        lines_of(log)
