"""Each incident moves the metric it names, from its moment on, for whom it names, and then ends."""

from collections import Counter

import pytest

from processor.simulation import encode
from schemas.errors import InvalidEvent
from schemas.events import parse_event
from tests.simulation.streams import (
    Event,
    actions,
    bounce_rate,
    csat,
    ctr,
    mean_delay,
    nps,
    of_type,
    seconds,
    stream,
    where,
    within,
)

BEFORE, DURING, AFTER = (0, 40), (40, 80), (80, 120)


@pytest.mark.parametrize(
    "name",
    [
        "nps-drop",
        *(
            pytest.param(name, marks=pytest.mark.soak)
            for name in ("csat-drop", "ctr-drop", "slow-support", "poison")
        ),
    ],
)
def test_what_came_before_an_incident_is_what_it_would_have_been(name: str) -> None:
    usual, struck = stream(), stream(f"{name}@40s+40s")
    assert within(usual, *BEFORE) == list(struck[: len(within(usual, *BEFORE))])
    assert within(usual, *DURING) != list(struck[len(within(usual, *BEFORE)) :])


@pytest.mark.soak
def test_nps_drops() -> None:
    events = stream("nps-drop@40s+40s")
    assert nps(within(events, *BEFORE)) > 20
    assert nps(within(events, *DURING)) < -20
    assert nps(within(events, *AFTER)) > 20


def test_nps_drops_only_where_it_is_told_to() -> None:
    events = within(stream("nps-drop@40s+40s[channel=email]", only="survey_response"), *DURING)
    assert nps(where(events, channel="email")) < -20
    assert nps(where(events, channel="web")) > 20
    assert nps(where(events, channel="app")) > 20


@pytest.mark.soak
def test_csat_drops() -> None:
    events = stream("csat-drop@40s+40s")
    assert csat(within(events, *BEFORE)) > 70
    assert csat(within(events, *DURING)) < 50
    assert csat(within(events, *AFTER)) > 70


@pytest.mark.soak
def test_ctr_drops() -> None:
    events = stream("ctr-drop@40s+40s")
    assert ctr(within(events, *BEFORE)) > 3
    # The pages open at its beginning are still clicked as before.
    assert ctr(within(events, 60, 80)) < 1.5
    assert ctr(within(events, 90, 120)) > 3


@pytest.mark.soak
def test_bounces_spike() -> None:
    events = stream("bounce-spike@40s+40s", duration_s=300)
    assert bounce_rate(events, begun=BEFORE) < 55
    assert bounce_rate(events, begun=DURING) > 75
    assert bounce_rate(events, begun=AFTER) < 55


@pytest.mark.soak
@pytest.mark.parametrize("action", ["first_response", "resolved"])
def test_support_is_slow(action: str) -> None:
    events = stream("slow-support@40s+40s")
    usual = mean_delay(within(events, *BEFORE), action)
    assert mean_delay(within(events, *DURING), action) > 3 * usual
    assert mean_delay(within(events, *AFTER), action) < 1.5 * usual


@pytest.mark.soak
def test_support_is_slow_also_hours_after_the_start() -> None:
    # By then all tickets in work were opened in the run, not before it.
    events = stream("slow-support@5h+1h", rate=10, duration_s=6 * 3600)
    usual = mean_delay(within(events, 4 * 3600, 5 * 3600), "resolved")
    assert mean_delay(within(events, 5 * 3600, 6 * 3600), "resolved") > 1.5 * usual


@pytest.mark.soak
def test_a_wave_of_customers_leaves() -> None:
    events = stream("churn-wave@40s+40s[country=DE]", rate=1000)
    left = actions(of_type(events, "customer"), "left")
    usual = len(within(left, *BEFORE))
    assert len(within(left, *DURING)) > 8 * usual
    assert len(within(left, *AFTER)) < 2 * usual
    struck = Counter(event["dimensions"]["country"] for event in within(left, *DURING))
    assert struck["DE"] > 0.8 * struck.total()


@pytest.mark.soak
def test_an_outage_silences_sessions_and_nothing_else() -> None:
    events = stream("outage@40s+40s")
    assert of_type(within(events, *BEFORE), "session")
    assert not of_type(within(events, *DURING), "session")
    assert of_type(within(events, *AFTER), "session")
    surveys = of_type(events, "survey_response")
    assert len(within(surveys, *DURING)) > 0.8 * len(within(surveys, *BEFORE))


def test_an_outage_of_one_channel_leaves_the_others() -> None:
    visits = of_type(within(stream("outage@40s+40s[channel=app]"), *DURING), "session")
    assert not where(visits, channel="app")
    assert where(visits, channel="web")


def test_a_storm_repeats_events_and_changes_none() -> None:
    usual, struck = stream(), stream("duplicate-storm@40s+40s")
    seen: set[str] = set()
    first: list[Event] = []
    repeats: list[Event] = []
    for event in struck:
        (repeats if event["event_id"] in seen else first).append(event)
        seen.add(event["event_id"])
    assert first == list(usual)
    assert len(repeats) > 0.2 * len(within(usual, *DURING))
    originals = {event["event_id"]: event for event in usual}
    for repeat in repeats:
        assert repeat == originals[repeat["event_id"]]
        assert 40 <= seconds(repeat) < 80


def test_poison_breaks_a_rule_each_time_and_leaves_the_sound_events() -> None:
    usual, struck = stream(), stream("poison@40s+40s")
    sound, fields = [], Counter[str]()
    for event in struck:
        try:
            parse_event(encode(event))
        except InvalidEvent as refusal:
            fields[refusal.field] += 1
        else:
            sound.append(event)
    assert sound == list(usual)
    assert fields.total() > 0.05 * len(within(usual, *DURING))
    assert {"event_id", "occurred_at", "action", "score", "amount", "dimensions"} <= set(fields)


def test_poison_strikes_only_where_it_is_told_to() -> None:
    def refused(event: Event) -> bool:
        try:
            parse_event(encode(event))
        except InvalidEvent:
            return True
        return False

    broken = [event for event in stream("poison@0s[channel=email]") if refused(event)]
    assert broken
    # Some are broken in their dimensions themselves.
    assert {event["dimensions"].get("channel") for event in broken} == {"email", 7, None}
