"""``[[notify]]`` as people write it, and as they get it wrong."""

from pathlib import Path
from typing import Any

import pytest

from processor.settings import (
    AlertmanagerReceiver,
    AppriseReceiver,
    ConfigurationError,
    WebhookReceiver,
    load_settings,
)

WRITTEN = """
[alerting]
external_url = "https://cx.example.org/"

[[notify]]
name = "ops"
type = "alertmanager"
url = "https://alerts.example.org/am"
username = "cx"
password = "hush-1"

[[notify]]
name = "hook"
type = "webhook"
url = "https://hooks.example.org/T0/hush-2"
secret = "hush-3-and-more"
severity = ["critical"]
labels = { team = "web" }

[[notify]]
name = "chat"
type = "apprise"
url = "slack://hush-4/hush-5/hush-6"
send_resolved = false
repeat_every = "1d"
"""

WRONG = {
    "no type": ({"name": "a", "url": "https://a.example.org"}, "type"),
    "another type": ({"name": "a", "type": "pager", "url": "https://a"}, "'webhook'"),
    "no address": ({"name": "a", "type": "webhook", "url": "ftp://hush"}, "is not an address"),
    "no host": ({"name": "a", "type": "webhook", "url": "https:///hush"}, "is not an address"),
    "user in it": (
        {"name": "a", "type": "webhook", "url": "https://me:hush@a.example.org"},
        "set username and password beside it",
    ),
    "half a login": (
        {"name": "a", "type": "webhook", "url": "https://a", "password": "hush"},
        "username and password belong together",
    ),
    "unknown": ({"name": "a", "type": "webhook", "url": "https://a", "urll": "hush"}, "urll"),
    "short secret": ({"name": "a", "type": "webhook", "url": "https://a", "secret": "hush"}, "8"),
    "times": (
        {"name": "a", "type": "webhook", "url": "https://a", "timeout_s": 1},
        "connect_timeout_s must not be more",
    ),
    "no scheme": ({"name": "a", "type": "apprise", "url": "hush"}, "address of Apprise"),
}


def test_receivers_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "cxpulse.toml"
    file.write_text(WRITTEN)
    monkeypatch.setenv("CX_CONFIG", str(file))
    settings = load_settings()
    assert settings.alerting.external_url == "https://cx.example.org"
    kinds = [AlertmanagerReceiver, WebhookReceiver, AppriseReceiver]
    assert [type(one) for one in settings.notify] == kinds
    assert "hush" not in f"{settings!r} {settings.shown()}"


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_without_secrets(case: str) -> None:
    fields, words = WRONG[case]
    with pytest.raises(ConfigurationError) as error:
        load_settings(notify=[fields])
    assert words in str(error.value)
    assert str(error.value).startswith("notify.")
    assert "hush" not in str(error.value)


def test_names_tell_receivers_apart() -> None:
    one: dict[str, Any] = {"name": "a", "type": "webhook", "url": "https://a.example.org"}
    with pytest.raises(ConfigurationError, match="notify: two receivers have one name: a"):
        load_settings(notify=[one, one])
