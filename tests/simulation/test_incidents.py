"""Incidents as they are written, and when they are on."""

import pytest

from processor.simulation import DEFAULT_DURATIONS_S, Incident, parse_duration, parse_incident
from processor.simulation.incidents import Schedule


@pytest.mark.parametrize("name", DEFAULT_DURATIONS_S)
def test_a_name_and_a_start_are_enough(name: str) -> None:
    incident = parse_incident(f"{name}@30s")
    assert incident == Incident(name, 30.0)
    assert incident.end_s == 30.0 + DEFAULT_DURATIONS_S[name]


def test_duration_and_dimensions_narrow_it() -> None:
    incident = parse_incident("nps-drop@1.5m+60s[channel=email,country=DE]")
    assert (incident.start_s, incident.end_s) == (90.0, 150.0)
    assert incident.where == {"channel": "email", "country": "DE"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [("250ms", 0.25), ("0s", 0.0), ("90s", 90.0), ("1.5m", 90.0), ("24h", 86400.0), ("7d", 604800)],
)
def test_durations_have_a_unit(text: str, expected: float) -> None:
    assert parse_duration(text) == expected


@pytest.mark.parametrize("text", ["", "30", "s", "-1s", "1 s", "1e3s", "5w", "infs"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write a number and ms, s, m, h or d"):
        parse_duration(text)


@pytest.mark.parametrize(
    "text", ["nps-drop", "nps_drop@3s", "@3s", "nps-crash@3s", "outage@3s[", ""]
)
def test_what_is_no_incident_is_refused_with_the_names_that_are(text: str) -> None:
    with pytest.raises(ValueError, match="nps-drop, csat-drop, ctr-drop, bounce-spike") as refusal:
        parse_incident(text)
    assert all(name in str(refusal.value) for name in DEFAULT_DURATIONS_S)


@pytest.mark.parametrize("text", ["outage@3s[]", "outage@3s[channel]", "outage@3s[Channel=web]"])
def test_what_is_no_dimension_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a dimension and its value"):
        parse_incident(text)


def test_an_incident_without_length_is_refused() -> None:
    with pytest.raises(ValueError, match="duration must be above 0"):
        parse_incident("outage@3s+0s")


def test_times_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="start must be 0 s or later"):
        Incident("outage", -1.0)


def test_a_schedule_knows_edges_overlaps_and_dimensions() -> None:
    # seconds     0    10    20    30    40
    # everybody         [-----------)
    # email                   [-----------)
    schedule = Schedule(
        [parse_incident("nps-drop@10s+20s"), parse_incident("nps-drop@20s+20s[channel=email]")],
        start_ms=1_000_000,
    )
    seen = []
    for at_s in (0, 9.999, 10, 20, 29.999, 30, 39.999, 40):
        schedule.advance(1_000_000 + at_s * 1000)
        seen.append(
            (
                schedule.on("nps-drop"),
                schedule.strikes("nps-drop", {"channel": "web"}),
                schedule.strikes("nps-drop", {"channel": "email"}),
            )
        )
    off, everybody, email_only = (False,) * 3, (True,) * 3, (True, False, True)
    assert seen == [off, off, everybody, everybody, everybody, email_only, email_only, off]
    assert not schedule.on("outage")
