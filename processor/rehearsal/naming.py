"""A replay's names: topics, keys and a group of its own, and the settings of its workers."""

import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr

from processor.rehearsal.errors import RehearsalError
from processor.settings import Settings
from schemas.events import EventType

_LONGEST_PREFIX: Final = 50
"""It is part of the Redis prefix, which has at most 64 characters."""


def fresh_prefix() -> str:
    """A topic prefix that nobody else has."""
    return f"cx.replay-{secrets.token_hex(4)}."


def settings_of(settings: Settings, topic_prefix: str, partitions: int | None) -> Settings:
    """The settings of a replay's workers: the same servers and engine, other names in them.

    Args:
        settings: the configuration.
        topic_prefix: begins the names of the replay's topics.
        partitions: of each topic; as configured where ``None``.

    Raises:
        RehearsalError: the prefix is that of the live topics, or cannot be one.
    """
    kafka = settings.kafka
    if topic_prefix == kafka.topic_prefix:
        raise RehearsalError(
            f"{topic_prefix} is the prefix of the live topics (kafka.topic_prefix): "
            "a replay has one of its own"
        )
    if not topic_prefix or len(topic_prefix) > _LONGEST_PREFIX:
        raise RehearsalError(f"a topic prefix has 1 to {_LONGEST_PREFIX} characters")
    sections = {
        "kafka": {
            "topic_prefix": topic_prefix,
            "readings_topic": f"{topic_prefix}metrics",
            "group": f"{topic_prefix}workers",
            "instance_id": None,
            "types": tuple(EventType),
            "partitions": partitions or kafka.partitions,
        },
        "redis": {"prefix": f"replay.{topic_prefix}"},
        "worker": {"replay": True, "health_port": None},
    }
    plain = _plain(settings)
    for name, values in sections.items():
        plain[name].update(values)
    try:
        return Settings.model_validate(plain)
    except ValueError as error:
        raise RehearsalError(f"{topic_prefix!r} cannot be a topic prefix: {error}") from None


def environment_of(settings: Settings) -> dict[str, str]:
    """Variables that give a worker these settings, whatever the file and our own variables say.

    They hold passwords, as those of anybody who configures by variables do.
    """
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith("CX_") or name == "CX_CONFIG"
    }
    sections = {
        f"CX_{name.upper()}": section if isinstance(section, str) else json.dumps(section)
        for name, section in _plain(settings).items()
    }
    return {**inherited, **sections}


def told(settings: Settings) -> Mapping[str, str]:
    """The variables by which a worker that somebody starts takes part."""
    return {
        "CX_WORKER__REPLAY": "true",
        "CX_KAFKA__TOPIC_PREFIX": settings.kafka.topic_prefix,
        "CX_KAFKA__READINGS_TOPIC": settings.kafka.readings_topic,
        "CX_KAFKA__GROUP": settings.kafka.group,
        "CX_REDIS__PREFIX": settings.redis.prefix,
    }


def _plain(settings: Settings) -> dict[str, Any]:
    """Every setting as JSON has it, secrets as they are."""
    found: dict[str, Any] = json.loads(json.dumps(settings.model_dump(), default=_as_text))
    return found


def _as_text(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"a setting of a kind that cannot be handed on: {type(value).__name__}")
