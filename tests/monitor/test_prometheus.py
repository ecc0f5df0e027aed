"""What the monitor exports: names, units, labels, limits, and what is absent."""

from typing import Any

import pytest
from prometheus_client import generate_latest
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from processor.metrics.catalogue import CATALOGUE
from processor.monitor.prometheus import progress_families, reading_families, reading_names
from processor.monitor.prometheus_series import choose_series
from processor.state.live import PartitionProgress, Snapshot, Status
from schemas.events import EventType
from schemas.readings import Unit, reading_key
from tests.harness.metrics import Exposition

SETS = (("channel",), ("product",), ("channel", "product"))
WINDOWS = ("1h", "24h")


def reading(metric: str, value: float | None, **fields: Any) -> dict[str, Any]:
    """A reading as it is stored."""
    of_money = CATALOGUE[metric].per_currency
    return {
        "metric": metric,
        "window": "24h",
        "segment": {},
        **({"currency": "EUR"} if of_money else {}),
        "value": value,
        "unit": CATALOGUE[metric].unit.value,
        "n": 10,
        "low": None,
        "high": None,
        "low_sample": False,
        "window_end": "2026-03-01T09:30:00Z",
        "provisional": False,
        "incomplete": False,
        **fields,
    }


def exported(
    *readings: dict[str, Any], most: int = 100, metrics: Any = CATALOGUE
) -> tuple[Exposition, str]:
    rows = {
        reading_key(r["metric"], r["window"], r["segment"], r.get("currency")): r for r in readings
    }
    series, left_out = choose_series(
        rows, metrics=metrics, windows=WINDOWS, segment_sets=SETS, most=most
    )
    return parsed(list(reading_families(CATALOGUE, rows, series, left_out)))


def parsed(families: list[Any]) -> tuple[Exposition, str]:
    class Page(Collector):
        def collect(self) -> Any:
            return iter(families)

    page = generate_latest(Page()).decode()
    encode, _ = choose_encoder("application/openmetrics-text; version=1.0.0")
    openmetrics = Exposition.parse(encode(Page()).decode(), openmetrics=True)
    seen = Exposition.parse(page)
    assert seen.samples == openmetrics.samples
    seen.check_conventions()
    return seen, page


def test_a_reading_has_its_unit_in_its_name_and_its_interval_beside_it() -> None:
    seen, page = exported(
        reading("nps", 25.0, low=14.5, high=35.5),
        reading("csat", 90.0, low=59.6, high=98.2, low_sample=True),
        reading("average_purchase_value", 49.9),
        reading("avg_resolution_time", 12.5),
        reading("customers", 1200),
    )
    whole = {"window": "24h", "segment": "all", "dimensions": ""}
    assert seen.value("cxpulse_reading_nps_points", **whole) == 25
    assert seen.value("cxpulse_lower_bound_nps_points", **whole) == 14.5
    assert seen.value("cxpulse_upper_bound_nps_points", **whole) == 35.5
    assert seen.value("cxpulse_reading_csat_ratio", **whole) == 0.9
    assert seen.value("cxpulse_upper_bound_csat_ratio", **whole) == 0.982
    assert seen.value("cxpulse_reading_average_purchase_value_money", **whole, currency="EUR") == (
        49.9
    )
    assert seen.value("cxpulse_reading_avg_resolution_time_seconds", **whole) == 12.5
    assert seen.value("cxpulse_reading_customers", **whole) == 1200
    assert "# TYPE cxpulse_reading_nps_points gauge" in page
    assert "cxpulse_lower_bound_customers" not in seen.families  # it has no interval
    of_nps = {"metric": "nps", **whole}
    assert seen.value("cxpulse_observations", **of_nps) == 10
    assert seen.value("cxpulse_low_sample", **of_nps) == 0
    assert seen.value("cxpulse_low_sample", **{**of_nps, "metric": "csat"}) == 1
    assert seen.value("cxpulse_window_end_timestamp_seconds", **of_nps) == 1772357400


def test_nothing_observed_is_absent() -> None:
    seen, page = exported(reading("nps", None, n=0), reading("social_likes", 0, n=0))
    assert seen.of("cxpulse_reading_nps_points") == {}
    assert list(seen.of("cxpulse_reading_social_likes").values()) == [0]
    labels = {"metric": "nps", "window": "24h", "segment": "all", "dimensions": ""}
    assert seen.value("cxpulse_observations", **labels) == 0
    assert "NaN" not in page


@pytest.mark.parametrize("value", ['say "hi"', "back\\slash", "two\nlines", "ümlaut €", "a,b=c"])
def test_label_values_come_back_as_they_were(value: str) -> None:
    seen, _ = exported(reading("nps", 1.0, segment={"channel": value}))
    (labels,) = seen.of("cxpulse_reading_nps_points")
    assert dict(labels)["dim_channel"] == value
    assert dict(labels)["dimensions"] == "channel"


def test_dimensions_cannot_hide_the_labels_of_prometheus() -> None:
    key = reading_key("nps", "24h", {"window": "x", "job": "y"}, None)
    series, _ = choose_series(
        [key], metrics=("nps",), windows=WINDOWS, segment_sets=(("job", "window"),), most=9
    )
    assert series[0].labels == {
        "window": "24h",
        "segment": "job=y,window=x",
        "dimensions": "job,window",
        "dim_job": "y",
        "dim_window": "x",
    }


def test_a_limit_keeps_the_whole_first_and_counts_what_it_leaves_out() -> None:
    readings = [
        reading("nps", 1.0, window=window, segment=segment)
        for window in WINDOWS
        for segment in ({"channel": "b"}, {"channel": "a", "product": "x"}, {}, {"channel": "a"})
    ]
    seen, _ = exported(*readings, most=5)
    kept = [dict(labels) for labels in seen.of("cxpulse_reading_nps_points")]
    assert sorted((one["segment"], one["window"]) for one in kept) == [
        ("all", "1h"),
        ("all", "24h"),
        ("channel=a", "1h"),
        ("channel=a", "24h"),
        ("channel=b", "1h"),
    ]
    assert seen.value("cxpulse_series_left_out", metric="nps") == 3
    assert seen.value("cxpulse_series_left_out", metric="csat") == 0


def test_what_is_no_longer_configured_is_not_exported() -> None:
    seen, _ = exported(
        reading("nps", 1.0, window="7d"),
        reading("nps", 1.0, segment={"country": "DE"}),
        reading("csat", 1.0),
        metrics={"nps": CATALOGUE["nps"]},
    )
    assert seen.of("cxpulse_reading_nps_points") == {}
    assert seen.of("cxpulse_reading_csat_ratio") == {}


def test_every_metric_has_a_name_of_its_own() -> None:
    names = reading_names(CATALOGUE.values())
    assert len(set(names.values())) == len(CATALOGUE)
    for name, metric in CATALOGUE.items():
        assert metric.unit is not Unit.PERCENT or names[name].endswith("_ratio")


def test_progress_is_exported_by_partition_and_outcome() -> None:
    now_ms = 1_772_357_400_000
    snapshot = Snapshot(
        status=Status(
            revision=7,
            as_of="2026-03-01T09:28:00Z",
            clock_ms=now_ms - 1000,
            published_at_ms=now_ms - 2500,
            open_sessions=4,
            leader="12:host:1:ab",
            rebuilding=1,
            unclaimed=2,
        ),
        partitions=(
            PartitionProgress("t", 0, 50, 5, now_ms, now_ms - 120_000, {"counted": 40}),
            PartitionProgress("t", 1, 9, 1, 0, 0, {"counted": 2, "rejected": 3, "rebuilds": 1}),
            PartitionProgress("of-before", 0, 9, 70, 0, 0, {"counted": 2}),
        ),
    )
    seen, _ = parsed(list(progress_families(snapshot, {"t": EventType.PURCHASE}, now_ms)))
    assert seen.value("cxpulse_events_total", type="purchase", outcome="counted") == 42
    assert seen.value("cxpulse_events_total", type="purchase", outcome="late_dropped") == 0
    assert seen.value("cxpulse_dead_letters_total", type="purchase") == 3
    assert seen.value("cxpulse_lag_records", topic="t", partition="0") == 5
    assert seen.value("cxpulse_lag_records", topic="of-before", partition="0") is None
    assert seen.value("cxpulse_partition_watermark_lag_seconds", topic="t", partition="0") == 120
    assert seen.value("cxpulse_partition_watermark_lag_seconds", topic="t", partition="1") is None
    assert seen.value("cxpulse_watermark_lag_seconds") == 120
    assert seen.value("cxpulse_readings_age_seconds") == 2.5
    assert seen.value("cxpulse_publisher_info", holder="host:1:ab") == 1
    assert seen.value("cxpulse_publisher_epoch") == 12
    for gauge, value in {
        "publisher_revision": 7,
        "open_sessions": 4,
        "rebuilding_partitions": 1,
        "unclaimed_partitions": 2,
    }.items():
        assert seen.value(f"cxpulse_{gauge}") == value


def test_before_the_first_tick_there_is_nothing_of_the_publisher() -> None:
    seen, _ = parsed(list(progress_families(Snapshot(), {"t": EventType.PURCHASE}, 0)))
    assert not [name for name in seen.families if "publish" in name]
    assert seen.value("cxpulse_events_total", type="purchase", outcome="counted") == 0


@pytest.mark.parametrize("leader", ["", "host", "x:host", "host:7"])
def test_a_leader_of_another_name_is_told_all_the_same(leader: str) -> None:
    status = Status(1, "2026-03-01T09:28:00Z", 0, 0, 0, leader)
    seen, _ = parsed(list(progress_families(Snapshot(status=status), {}, 0)))
    assert seen.value("cxpulse_publisher_info", holder=leader) == 1
    assert "cxpulse_publisher_epoch" not in seen.families
