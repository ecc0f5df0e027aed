"""Readings are found by what they are of, and what is not there is told from what is."""

from pathlib import Path
from typing import Any

import pytest

from processor.replay import Readings, UnknownReadingError, replay_events
from processor.testing.events import EventBuilder
from schemas.readings import Reading
from schemas.timestamps import from_ms, parse_rfc3339


@pytest.fixture(scope="module")
def readings() -> Readings:
    make = EventBuilder()
    events: list[dict[str, Any]] = [
        make.nps(9, channel="email"),
        make.nps(3, channel="web"),
        make.nps(9, channel="e mail"),
        make.purchase("12.50", "EUR"),
        make.purchase(90, "JPY"),
        make.nps(10, channel="email", at="2026-03-01T12:30:00Z"),
    ]
    return replay_events(events, windows=["1h", "24h"], by=["channel"], every="10m")


def test_the_last_one_is_found(readings: Readings) -> None:
    assert readings["nps", "24h"]["n"] == 4
    assert readings["nps", "24h", {"channel": "email"}]["n"] == 2
    assert readings["nps", "24h", "channel=email"] == readings["nps|24h|channel=email"]
    assert readings["nps|24h"] == readings["nps", "24h", {}] == readings["nps|24h|all"]
    assert readings.value("nps", "1h", {"channel": "e mail"}) == 100.0
    assert readings.value("revenue", "1h", currency="JPY") == 90
    assert readings["revenue|1h|all|EUR"]["value"] == 12.5
    assert readings.last("nps", "1h") is readings.of("nps", "1h", {})[-1]


def test_all_of_a_series_are_found(readings: Readings) -> None:
    found = readings.of("nps", "1h", "all")
    assert [row["n"] for row in found] == [1, 3, 4]
    assert isinstance(found, Readings)
    assert isinstance(readings[1:3], Readings)
    assert readings[1:3] == [readings[1], readings[2]]
    assert readings.of("nps").windows == ["1h", "24h"]
    assert set(readings.of(metric="nps").segments) == {
        "all", "channel=email", "channel=web", "channel=e%20mail",
    }  # fmt: skip
    assert readings.of(currency="JPY").currencies == ["JPY"]
    assert readings.of("nps", segment={"channel": "fax"}) == []
    time = found[1]["as_of"]
    assert found.at(time) == found.at(from_ms(parse_rfc3339(time))) == [found[1]]
    assert "nps|1h|all" in readings.series
    assert repr(found) == "<3 readings of 1 series>"


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (("npss", "1h"), "no reading of metric 'npss'; did you mean 'nps'"),
        (("nps", "2d"), "no reading of nps of window '2d'; there is 1h, 24h"),
        (("nps",), "nps has 1h, 24h: name the window"),
        (("nps", "1h", {"channel": "emial"}), "did you mean 'channel=email'"),
        (("nps", "1h", "email"), "'email' is not the text of a segment"),
        (("revenue", "1h"), "revenue has EUR, JPY: name the currency"),
        (("revenue", "1h", {}, "USD"), "of currency 'USD'; there is EUR, JPY"),
        (("nps", "1h", {}, "USD"), "of currency 'USD'; it has no currency"),
        ("a|b|c|d|e", "is not the key of a series"),
    ],
)
def test_what_is_not_there_is_told(readings: Readings, asked: Any, message: str) -> None:
    with pytest.raises(UnknownReadingError) as told:
        readings[asked]
    assert message in str(told.value)


def test_without_any_reading_that_is_said() -> None:
    with pytest.raises(KeyError, match="there are none at all"):
        Readings().last("nps")


def test_rows_are_readings_of_the_contract_and_make_tables(readings: Readings) -> None:
    for row in readings:
        Reading.model_validate_json(Reading.model_validate(row, strict=False).to_json())
    flat = readings.flat()
    assert {tuple(row) for row in flat} == {
        ("metric", "window", "segment", "currency", *list(readings[0])[3:])
    }
    assert all(not isinstance(value, dict | list) for row in flat for value in row.values())
    assert type(readings).__mro__[1] is list  # tables are made of lists of dictionaries


def test_they_are_written_and_read(readings: Readings, tmp_path: Path) -> None:
    readings.write(tmp_path / "out.jsonl")
    assert Readings.read(tmp_path / "out.jsonl") == readings
