"""Which event types a deployment consumes."""

import json

import pytest

from processor.settings import ConfigurationError, load_settings
from processor.streaming.topics import event_topics, topic_plans
from schemas.events import EventType


def test_all_types_are_consumed_unless_configured() -> None:
    topics = event_topics(load_settings().kafka)
    assert list(topics.values()) == list(EventType)
    assert topics["cx.events.marketing-spend"] is EventType.MARKETING_SPEND


def test_a_deployment_may_choose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CX_KAFKA__TYPES", json.dumps(["customer", "survey_response"]))
    kafka = load_settings().kafka
    assert list(event_topics(kafka)) == ["cx.events.survey-response", "cx.events.customer"]
    # The topics of the others are there all the same: somebody else's worker may consume them.
    assert {plan.name for plan in topic_plans(kafka)} >= {"cx.events.purchase", "cx.events.social"}


@pytest.mark.parametrize("types", [[], ["weather"]])
def test_a_choice_of_nothing_or_of_an_unknown_type_is_refused(
    types: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CX_KAFKA__TYPES", json.dumps(types))
    with pytest.raises(ConfigurationError, match=r"kafka\.types"):
        load_settings()
