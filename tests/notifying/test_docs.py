"""The page about receivers says what is so."""

import json
import re
import tomllib
from pathlib import Path
from typing import Final

from processor.settings import (
    AlertmanagerReceiver,
    AppriseReceiver,
    Settings,
    WebhookReceiver,
)
from tests.notifying.receiving import WebhookMessage

PAGE: Final = (Path(__file__).parents[2] / "docs" / "receivers.md").read_text()
_BLOCK: Final = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)


def block(language: str) -> str:
    found: str = next(text for name, text in _BLOCK.findall(PAGE) if name == language)
    return found


def test_the_configuration_is_accepted() -> None:
    settings = Settings(**tomllib.loads(block("toml")))
    assert len(settings.notify) == 3


def test_the_message_is_one() -> None:
    WebhookMessage.model_validate(json.loads(block("json")))


def test_the_python_runs() -> None:
    exec(block("python"), {})


def test_every_setting_is_told() -> None:
    for kind in (AlertmanagerReceiver, WebhookReceiver, AppriseReceiver):
        for name, field in kind.model_fields.items():
            assert f"`{name}`" in PAGE or f"{name} = " in PAGE, name
            if isinstance(field.default, float) and name != "retry_max_s":
                assert f"{field.default:g}" in PAGE, name
