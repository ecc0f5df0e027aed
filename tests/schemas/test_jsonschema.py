"""The generated JSON Schemas: compared with goldens, and with what the models do."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from schemas.alerts import Alert
from schemas.events import EventType
from schemas.jsonschema import json_schemas
from tests.schemas.examples import (
    BAD,
    GOOD,
    UNREAL_TIMES,
    Bad,
    Good,
    label,
    record,
)
from tests.schemas.test_readings import NPS

GOLDEN = Path(__file__).parent / "golden"
SCHEMAS = json_schemas()
NAMES = [*(event_type.value for event_type in EventType), "reading", "alert"]


def accepts(name: str, message: object) -> bool:
    return bool(Draft202012Validator(SCHEMAS[name]).is_valid(message))


def test_there_is_a_schema_and_a_golden_of_every_message() -> None:
    assert list(SCHEMAS) == NAMES
    assert {file.stem for file in GOLDEN.glob("*.json")} == {*NAMES, "asyncapi"}


@pytest.mark.parametrize("name", NAMES)
def test_schemas_are_the_goldens(name: str) -> None:
    golden = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    # Where the change is meant: cxpulse schemas export tests/schemas/golden
    assert SCHEMAS[name] == golden


@pytest.mark.parametrize("name", NAMES)
def test_schemas_are_valid_themselves(name: str) -> None:
    Draft202012Validator.check_schema(SCHEMAS[name])


def test_the_command_writes_the_goldens(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "schemas.jsonschema", "--write", str(tmp_path / "new")]
    subprocess.run(command, check=True, capture_output=True)
    for name in NAMES:
        written = (tmp_path / "new" / f"{name}.json").read_bytes()
        assert written == (GOLDEN / f"{name}.json").read_bytes()


@pytest.mark.parametrize("row", GOOD, ids=label)
def test_what_the_models_accept_the_schema_accepts(row: Good) -> None:
    assert accepts(row.event_type, record(row.event_type, row.changes))


AFTER_WHEN = ("2026-03-01T12:00:00.001Z", "2026-03-01T12:00:00-00:01")
TOO_PRECISE_OR_LARGE = (19.999, "19.999", "19.990", 0.5, "5.0", 10**13 + 1, str(10**13 + 1))


def unstated(row: Bad) -> str | None:
    """The rule that JSON Schema cannot state and that this row breaks, if any."""
    value: Any = row.changes
    for name in row.field.split("."):
        # Some rows break the object that the field stands in.
        value = value.get(name) if isinstance(value, dict) else None
    rule = None
    match row.field, value:
        case "dimensions", {"a\n": _}:
            rule = "where Python's $ matches, before a final newline, ECMA 262's does not"
        case "occurred_at" | "opened_at", str() if value in UNREAL_TIMES:
            rule = "the calendar and the years"
        case "opened_at", str() if value in AFTER_WHEN:
            rule = "opened_at is not after occurred_at"
        case "amount", _ if value in TOO_PRECISE_OR_LARGE:
            rule = "the decimals and the bound of the amount's currency"
        case "amount" | "response_seconds", float() if math.isnan(value):
            rule = "JSON has no NaN"
        case field, float() if value.is_integer() and field not in ("amount", "response_seconds"):
            rule = "9.0 is an integer to JSON Schema"
    return rule


@pytest.mark.parametrize("row", [row for row in BAD if not unstated(row)], ids=label)
def test_what_the_models_refuse_the_schema_refuses(row: Bad) -> None:
    assert not accepts(row.event_type, record(row.event_type, row.changes))


def test_few_rules_go_unstated() -> None:
    assert {unstated(row) for row in BAD} - {None} == {
        "the calendar and the years",
        "opened_at is not after occurred_at",
        "the decimals and the bound of the amount's currency",
        "9.0 is an integer to JSON Schema",
        "JSON has no NaN",
        "where Python's $ matches, before a final newline, ECMA 262's does not",
    }


@pytest.mark.parametrize(
    ("changes", "good"),
    [
        ({}, True),
        ({"currency": "USD"}, True),
        ({"value": None, "low": None, "high": None}, True),
        ({"value": 5}, True),
        ({"value": "5"}, False),
        ({"n": None}, False),
        ({"currency": None}, False),
        ({"currency": "usd"}, False),
        ({"unit": "dollars"}, False),
        ({"as_of": 0}, False),
        ({"segment": {"Bad": "x"}}, False),
    ],
    ids=str,
)
def test_the_schema_of_readings(changes: dict[str, Any], good: bool) -> None:
    assert accepts("reading", NPS | changes) == good


ALERT = {
    "fingerprint": "0123456789abcdef",
    "name": "low",
    "state": "firing",
    "previous_state": "pending",
    "severity": "critical",
    "metric": "nps",
    "window": "24h",
    "segment": {"channel": "web"},
    "currency": None,
    "condition": "below 30",
    "labels": {"alertname": "low"},
    "annotations": {},
    "value": 12.5,
    "reading": NPS,
    "since": "2026-03-01T12:00:00.000Z",
    "starts_at": "2026-03-01T11:50:00.000Z",
    "ends_at": None,
    "recovering_since": None,
}


@pytest.mark.parametrize(
    ("changes", "good"),
    [
        ({}, True),
        ({"window": None, "reading": None, "value": None}, True),
        ({"state": "on fire"}, False),
        ({"fingerprint": "low"}, False),
        ({"since": None}, False),
        ({"segment": {"Bad": "x"}}, False),
        ({"labels": {"n": 1}}, False),
    ],
    ids=str,
)
def test_the_schema_of_alerts(changes: dict[str, Any], good: bool) -> None:
    assert accepts("alert", ALERT | changes) == good
    text = json.dumps(ALERT | changes)
    if good:
        Alert.model_validate_json(text)
    else:
        with pytest.raises(ValidationError):
            Alert.model_validate_json(text)
