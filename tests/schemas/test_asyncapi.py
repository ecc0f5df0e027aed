"""The AsyncAPI document: compared with a golden, with the standard's structure, and with the code.

The standard's own schema is in no package that is installed here; what is checked of it by hand is
what a document of this shape can get wrong: fields, references, names and addresses.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from processor.settings import AlertingSettings, KafkaSettings
from processor.streaming.topics import topic_plans
from schemas.asyncapi import FILE, asyncapi
from schemas.errors import ErrorCode
from schemas.events import EventType
from schemas.jsonschema import json_schemas
from schemas.readings import reading_key

GOLDEN = Path(__file__).parent / "golden"
DOCUMENT = asyncapi()
CHANNELS: dict[str, Any] = DOCUMENT["channels"]
OPERATIONS: dict[str, Any] = DOCUMENT["operations"]
MESSAGES: dict[str, Any] = DOCUMENT["components"]["messages"]

COMPONENT_NAME = r"[\w\d\.\-_]+"
FIELDS = {
    "document": {"asyncapi", "info", "defaultContentType", "channels", "operations", "components"},
    "info": {"title", "version", "description", "license"},
    "channel": {"address", "description", "messages", "bindings"},
    "operation": {"action", "channel", "summary", "messages"},
    "message": {
        "name", "summary", "description", "payload", "headers", "contentType", "bindings",
    },
}  # fmt: skip
"""Fields that version 3.0 has for each object, of those that are used."""


def target(reference: dict[str, str]) -> Any:
    """What a local reference points to; a dangling one is a KeyError."""
    assert set(reference) == {"$ref"}
    found: Any = DOCUMENT
    for part in reference["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return found


def references(node: object) -> list[str]:
    if isinstance(node, dict):
        here = [node["$ref"]] if "$ref" in node else []
        return here + [found for value in node.values() for found in references(value)]
    return (
        [found for value in node for found in references(value)] if isinstance(node, list) else []
    )


def test_the_document_is_the_golden() -> None:
    # Where the change is meant: cxpulse schemas export tests/schemas/golden
    assert json.loads((GOLDEN / FILE).read_text(encoding="utf-8")) == DOCUMENT


def test_it_has_the_structure_of_version_3() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert set(DOCUMENT) == FIELDS["document"]
    assert set(DOCUMENT["info"]) == FIELDS["info"]
    for kind, objects in (("channel", CHANNELS), ("operation", OPERATIONS), ("message", MESSAGES)):
        for name, one in objects.items():
            assert re.fullmatch(COMPONENT_NAME, name)
            assert set(one) <= FIELDS[kind], name
            bindings = one.get("bindings", {"kafka": {"bindingVersion": "0.5.0"}})
            assert bindings["kafka"]["bindingVersion"] == "0.5.0"


def test_operations_name_channels_and_messages_of_these_channels() -> None:
    for operation in OPERATIONS.values():
        assert operation["action"] in {"send", "receive"}
        channel = target(operation["channel"])
        ours = [channel["messages"][name] for name in channel["messages"]]
        assert [target(message) for message in operation["messages"]] == ours
        assert operation["messages"][0]["$ref"].startswith(operation["channel"]["$ref"])
        for message in ours:
            assert target(message) in MESSAGES.values()
    assert {target(operation["channel"])["address"] for operation in OPERATIONS.values()} == {
        channel["address"] for channel in CHANNELS.values()
    }


def test_every_reference_leads_somewhere() -> None:
    files = {f"./{name}.json" for name in json_schemas()}
    found = references(DOCUMENT)
    assert {one for one in found if not one.startswith("#")} == files
    for one in found:
        if one.startswith("#"):
            target({"$ref": one})


def test_every_topic_is_there_once_as_it_is_configured() -> None:
    addresses = [
        channel["address"]
        for channel in asyncapi(
            topic_prefix="shop.", readings_topic="shop-metrics", alerts_topic="shop-alerts"
        )["channels"].values()
    ]
    events = [f"shop.{event_type.topic}" for event_type in EventType]
    letters = [f"{topic}.dlq" for topic in events]
    assert sorted(addresses) == sorted([*events, *letters, "shop-metrics", "shop-alerts"])


def test_every_topic_that_is_created_is_described() -> None:
    created = {plan.name for plan in topic_plans(KafkaSettings(), AlertingSettings())}
    assert {channel["address"] for channel in CHANNELS.values()} == created


def test_the_document_and_the_schemas_say_nothing_that_its_dialect_lacks() -> None:
    """AsyncAPI's own dialect is draft 7 and more; definitions are found by reference anywhere."""
    for name, schema in json_schemas().items():
        Draft7Validator.check_schema(schema)
        text = json.dumps(schema)
        for later in ("prefixItems", "unevaluated", "dependentRequired", "dependentSchemas"):
            assert later not in text, name
    Draft7Validator.check_schema(MESSAGES["deadLetter"]["headers"])


def key_of(name: str) -> Draft7Validator:
    return Draft7Validator(MESSAGES[name]["bindings"]["kafka"]["key"])


@pytest.mark.parametrize(
    ("name", "key", "good"),
    [
        ("reading", reading_key("nps", "24h", {"channel": "e|mail"}, None), True),
        ("reading", reading_key("clv", "30d", {}, "USD"), True),
        ("reading", "nps", False),
        ("alert", "0123456789abcdef", True),
        ("alert", "low", False),
        ("surveyResponse", "c1", True),
        ("deadLetter", None, True),
    ],
)
def test_the_schema_of_keys(name: str, key: str | None, good: bool) -> None:
    assert key_of(name).is_valid(key) == good


def test_optional_keys_say_what_takes_their_place() -> None:
    said = {
        name: MESSAGES[name]["bindings"]["kafka"]["key"]["description"]
        for name in ("purchase", "social", "marketingSpend")
    }
    assert said["purchase"].startswith("`customer_id`:")
    assert said["social"].startswith("`account`, or `event_id` where")
    assert said["marketingSpend"].startswith("`campaign`, or `event_id` where")


def test_headers_of_dead_letters() -> None:
    headers: dict[str, Any] = MESSAGES["deadLetter"]["headers"]
    validator = Draft7Validator(headers)
    assert set(headers["properties"]["cx.error.code"]["enum"]) == set(ErrorCode)
    letter = {
        "cx.error.code": "invalid_field",
        "cx.error.message": "score: must be an integer from 0 to 10",
        "cx.error.field": "score",
        "cx.error.topic": "cx.events.survey-response",
        "cx.error.partition": "3",
        "cx.error.offset": "17",
        "traceparent": "of the producer",
    }
    assert validator.is_valid(letter)
    for name in headers["required"]:
        assert not validator.is_valid({k: v for k, v in letter.items() if k != name})
