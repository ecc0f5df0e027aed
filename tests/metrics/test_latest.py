"""Each customer's latest answer: what is observed of one, how it is told, and what is lacking."""

from collections import Counter
from typing import Any, Final, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.core.config import EngineConfig, SurveyResponses
from processor.core.engine import PartitionEngine
from processor.core.observation import MAGNITUDE_MAX, Observation
from processor.core.panes import MINUTE_MS, plan_windows
from processor.core.sample import Sample, note_of, pack
from processor.core.sampled_panes import statistic_of
from processor.core.segments import Segmentation
from processor.core.totals import RollingTotals
from processor.core.window_counts import WindowCounts
from processor.metrics.catalogue import CATALOGUE, configured
from processor.metrics.latest import LATEST
from processor.metrics.latest_measures import latest_answers, observing_latest
from processor.metrics.measures import PLANS, plan_of
from processor.metrics.present import Presenter, Row
from schemas.events import EventType
from schemas.timestamps import MAX_MS, format_rfc3339
from tests.metrics.events import Event, counted, surveys
from tests.replay.histories import line_of

PLAN: Final = observing_latest(PLANS["survey_response"])
NOW: Final = 1_790_000_040_000


def observed(event: Event) -> tuple[Observation, ...]:
    return tuple(PLAN.observe(tuple(map(event.get, PLAN.observes))))


class Sampled:
    """A sample as a source of one measure."""

    def __init__(self, measure: str, sample: Sample) -> None:
        self.families = (measure,)
        self._sample = sample

    def read(self, name: str) -> int | None:
        return statistic_of(self._sample, name.rpartition(".")[2]) if len(self._sample) else None


@given(st.lists(surveys, max_size=40), st.integers(0, MAX_MS))
def test_answers_of_different_customers_are_told_as_they_were_given(
    answers: list[Event], at_ms: int
) -> None:
    entries: dict[str, dict[int, int]] = {"nps": {}, "csat": {}, "ces": {}}
    for key, answer in enumerate(answers, 1):
        placed = {"occurred_at": format_rfc3339(at_ms), "customer_id": f"c{key}", **answer}
        for one in observed(placed):
            assert one.magnitude <= MAGNITUDE_MAX
            entries[one.measure.removesuffix("_latest")][key] = note_of(one.magnitude, one.marks)
    for survey, of_survey in entries.items():
        asked = [answer for answer in answers if answer["survey"] == survey]
        sample = Sample.merged((pack(of_survey),))
        counts = WindowCounts(
            {**counted(asked), f"{survey}_latest.n": len(asked)},
            [Sampled(f"{survey}_latest", sample)],
        )
        assert Counter(latest_answers(counts, survey)) == counted(asked)
        assert LATEST[survey](counts) == CATALOGUE[survey].compute(counted(asked))


def test_what_it_counts_is_what_is_always_counted_and_how_many_were_observed() -> None:
    for survey in ("nps", "csat", "ces"):
        values = (survey, 3, None, None, None)
        usual = PLANS["survey_response"].count(values)
        assert PLAN.count(values) == (*usual, (f"{survey}_latest.n", 1))
    emotion = ("emotion", None, None, None, "neutral")
    assert PLAN.count(emotion) == PLANS["survey_response"].count(emotion)
    assert not observed({"survey": "emotion", "emotion": "neutral"})


def test_nobody_s_answer_is_no_customer_s_and_no_other_of_its_id() -> None:
    answer = {"survey": "ces", "score": 1, "event_id": "x", "occurred_at": format_rfc3339(NOW)}
    later = {**answer, "occurred_at": format_rfc3339(NOW + 1)}
    of_customer = {**answer, "customer_id": "x"}
    identities = [one.identity for event in (answer, later, of_customer) for one in observed(event)]
    assert len(set(identities)) == 3


def test_the_setting_chooses_plan_definitions_and_their_words() -> None:
    latest = configured(survey_responses="latest_per_customer")
    assert list(latest) == list(CATALOGUE)
    assert {n for n in latest if latest[n] is not CATALOGUE[n]} == {"nps", "csat", "ces"}
    assert "latest" in latest["nps"].summary
    assert configured(survey_responses="all_responses") is CATALOGUE
    for event_type in EventType:
        plans = {plan_of(event_type, choice) for choice in get_args(SurveyResponses)}
        assert len(plans) == (2 if event_type is EventType.SURVEY_RESPONSE else 1)
    assert plan_of("survey_response", "all_responses") is PLANS["survey_response"]


def test_an_unknown_choice_is_refused() -> None:
    with pytest.raises(ValueError, match="'newest' is none of all_responses, latest_per_customer"):
        configured(survey_responses="newest")  # type: ignore[arg-type]


def answer(number: int, at_ms: int, score: int, customer: str) -> bytes:
    event: dict[str, Any] = {
        "type": "survey_response",
        "event_id": f"e{number}",
        "occurred_at": format_rfc3339(at_ms),
        "customer_id": customer,
        "survey": "nps",
        "score": score,
    }
    return line_of(event)


class Counting:
    """Engines under one setting after another, into the same totals."""

    def __init__(self) -> None:
        self.windows = plan_windows(["1m", "1h"])
        self.totals = RollingTotals(self.windows)
        metrics = configured(survey_responses="latest_per_customer")
        self.presenter = Presenter(metrics, self.totals, lateness_ms=0)
        self.said: dict[str, Row] = {}
        self.number = 0

    def count(self, survey_responses: SurveyResponses, at_ms: int, score: int, who: str) -> None:
        config = EngineConfig(
            windows=self.windows, segment_sets=(), survey_responses=survey_responses
        )
        plan = plan_of("survey_response", survey_responses)
        engine = PartitionEngine(EventType.SURVEY_RESPONSE, plan, config, Segmentation(()))
        self.number += 1
        assert engine.fold([answer(self.number, at_ms, score, who)], NOW + 10**9) == []
        changes = engine.take()
        self.totals.apply(changes.deltas)
        self.totals.observe(changes.samples)

    def at(self, time_ms: int, window: str) -> tuple[Any, ...]:
        """Value, n, incomplete and the value before of NPS."""
        self.totals.advance(time_ms)
        self.said |= self.presenter.changed(time_ms, 1)
        row = self.said[f"nps|{window}|all"]
        return row["value"], row["n"], row["incomplete"], row["previous"]


def test_answers_from_before_the_setting_make_a_window_incomplete_until_they_leave_it() -> None:
    counting = Counting()
    counting.count("all_responses", NOW, 9, "a")
    assert counting.at(NOW, "1m") == (None, 0, True, None)
    counting.count("latest_per_customer", NOW + MINUTE_MS - 1000, 3, "a")
    counting.count("latest_per_customer", NOW + MINUTE_MS - 1000, 10, "b")
    assert counting.at(NOW + MINUTE_MS - 1000, "1m") == (0.0, 2, True, None)
    # The window before lacks an answer: nothing is compared with it.
    assert counting.at(NOW + MINUTE_MS, "1m") == (0.0, 2, False, None)
    counting.count("latest_per_customer", NOW + 2 * MINUTE_MS, 10, "a")
    assert counting.at(NOW + 2 * MINUTE_MS, "1m") == (100.0, 1, False, 0.0)
    assert counting.at(NOW + 2 * MINUTE_MS, "1h") == (100.0, 2, True, None)
    # The other way about, and back again.
    counting.count("all_responses", NOW + 3 * MINUTE_MS, 0, "a")
    assert counting.at(NOW + 3 * MINUTE_MS, "1m") == (None, 0, True, 100.0)
    counting.count("latest_per_customer", NOW + 4 * MINUTE_MS, 9, "c")
    assert counting.at(NOW + 4 * MINUTE_MS, "1m") == (100.0, 1, False, None)
