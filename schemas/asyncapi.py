"""AsyncAPI 3 of every topic: what is on it, under which key, with which headers.

The document lies beside the JSON Schemas of `schemas.jsonschema` and refers to them by file. They
are draft 2020-12; they use nothing that AsyncAPI's own dialect lacks but the name `$defs`, which
references find all the same, so no other schema format is declared: tools would not know it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from schemas.errors import ErrorCode
from schemas.event_types import KEY_FIELD, MODELS, EventType

if TYPE_CHECKING:
    from pathlib import Path

FILE: Final = "asyncapi.json"

_VERSION: Final = "1.0.0"
"""Of the messages. The middle number grows with what is added; nothing else may change."""

_KAFKA: Final = "0.5.0"
"""Of AsyncAPI's Kafka bindings."""

_DEAD_LETTERS: Final = ".dlq"


def asyncapi(
    *,
    topic_prefix: str = "cx.events.",
    readings_topic: str = "cx.metrics",
    alerts_topic: str = "cx.alerts",
) -> dict[str, Any]:
    """The AsyncAPI 3.0 document, from the processor's side: it receives events and sends the rest.

    Args:
        topic_prefix: begins the names of the events' topics.
        readings_topic: the topic of readings.
        alerts_topic: the topic of alerts.
    """
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    messages: dict[str, Any] = {
        "deadLetter": _DEAD_LETTER,
        "reading": _READING,
        "alert": _ALERT,
    }
    for event_type in EventType:
        name, topic = _camel(event_type), topic_prefix + event_type.topic
        messages[name] = _event(event_type)
        channels[name] = _channel(topic, name, f"Events of type `{event_type}`.")
        operations[f"receive{_capital(name)}"] = _operation("receive", name, name, "Counts them.")
        letters = f"{name}DeadLetters"
        channels[letters] = _channel(
            topic + _DEAD_LETTERS, "deadLetter", f"What was refused on `{topic}`, and why."
        )
        operations[f"send{_capital(letters)}"] = _operation(
            "send", letters, "deadLetter", "Before the offset of the refused record is released."
        )
    for name, topic, said in (
        ("reading", readings_topic, "Readings; compacted: the latest of each series is kept."),
        ("alert", alerts_topic, "Every change of an alert's state, at least once, in order."),
    ):
        channels[f"{name}s"] = _channel(topic, name, said)
        operations[f"send{_capital(name)}s"] = _operation("send", f"{name}s", name, said)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "cxpulse",
            "version": _VERSION,
            "description": "Customer-experience events in; readings, alerts and dead letters out.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages},
    }


def write_asyncapi(
    folder: Path,
    *,
    topic_prefix: str = "cx.events.",
    readings_topic: str = "cx.metrics",
    alerts_topic: str = "cx.alerts",
) -> Path:
    """Write `asyncapi.json` into the folder of the JSON Schemas, which must be there.

    Returns:
        The file.
    """
    document = asyncapi(
        topic_prefix=topic_prefix, readings_topic=readings_topic, alerts_topic=alerts_topic
    )
    file = folder / FILE
    file.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return file


def _channel(topic: str, message: str, description: str) -> dict[str, Any]:
    return {
        "address": topic,
        "description": description,
        "messages": {message: {"$ref": f"#/components/messages/{message}"}},
        "bindings": {"kafka": {"topic": topic, "bindingVersion": _KAFKA}},
    }


def _operation(action: str, channel: str, message: str, summary: str) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "summary": summary,
        "messages": [{"$ref": f"#/channels/{channel}/messages/{message}"}],
    }


def _event(event_type: EventType) -> dict[str, Any]:
    field = KEY_FIELD[event_type]
    is_required = all(model.model_fields[field].is_required() for model in MODELS[event_type])
    key = f"`{field}`" if is_required else f"`{field}`, or `event_id` where it is left out"
    return {
        "name": event_type.value,
        "summary": f"One event of type `{event_type}`.",
        "payload": {"$ref": f"./{event_type}.json"},
        "bindings": _keyed(f"{key}: keeps what belongs together in order, on one partition"),
    }


def _keyed(description: str, **rules: str) -> dict[str, Any]:
    key = {"type": "string", **rules, "description": description}
    return {"kafka": {"key": key, "bindingVersion": _KAFKA}}


_READING: Final = {
    "name": "reading",
    "summary": "The value of one metric over one window for one segment.",
    "payload": {"$ref": "./reading.json"},
    "bindings": _keyed(
        "`metric|window|dim=value,dim=value`: dimensions sorted, values percent-encoded, `all` for "
        "the whole, and `|USD` behind it for money",
        pattern=r"^[^|]+\|[^|]+\|[^|]+(\|[A-Z]{3})?$",
    ),
}

_ALERT: Final = {
    "name": "alert",
    "summary": "One alert as it stands at a change of its state.",
    "payload": {"$ref": "./alert.json"},
    "bindings": _keyed("`fingerprint`: an alert's changes are in order", pattern="^[0-9a-f]{16}$"),
}

_NUMBER: Final = "^[0-9]+$"

_DEAD_LETTER: Final = {
    "name": "dead_letter",
    "summary": "A refused record: its key, value and headers as they were, and why.",
    "description": (
        "The value is the original bytes, whatever they are, and none for a tombstone. Of a record "
        "that is too large with the reasons added only the beginning is kept."
    ),
    "contentType": "application/octet-stream",
    "headers": {
        "type": "object",
        "description": "The original headers, and these, as text in UTF-8.",
        "required": [
            "cx.error.code",
            "cx.error.message",
            "cx.error.field",
            "cx.error.topic",
            "cx.error.partition",
            "cx.error.offset",
        ],
        "properties": {
            "cx.error.code": {
                "type": "string",
                "enum": [code.value for code in ErrorCode],
                "description": "the kind of rule that was broken",
            },
            "cx.error.message": {
                "type": "string",
                "description": "one sentence; holds no value of the record",
            },
            "cx.error.field": {"type": "string", "description": "the field; empty where none"},
            "cx.error.topic": {"type": "string", "description": "where it came from"},
            "cx.error.partition": {"type": "string", "pattern": _NUMBER},
            "cx.error.offset": {"type": "string", "pattern": _NUMBER},
            "cx.error.truncated": {
                "type": "string",
                "pattern": _NUMBER,
                "description": "bytes of the value, where it was cut",
            },
            "cx.error.timestamp": {
                "type": "string",
                "pattern": "^-?[0-9]+$",
                "description": "the record's own time in milliseconds, where the letter's is later",
            },
        },
    },
    "bindings": {
        "kafka": {
            "key": {"type": ["string", "null"], "description": "the original key, if it had one"},
            "bindingVersion": _KAFKA,
        }
    },
}


def _camel(event_type: EventType) -> str:
    first, *others = event_type.value.split("_")
    return first + "".join(map(_capital, others))


def _capital(word: str) -> str:
    return word[:1].upper() + word[1:]
