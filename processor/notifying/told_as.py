"""Alerts in Alertmanager's words: labels, annotations, times, and a link to the page."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote, urlencode

from processor.notifying.notification import RESOLVED, AlertRow, GroupKey

NEVER: Final = "0001-01-01T00:00:00Z"
"""What Alertmanager writes for the end of what fires still."""


def link(external_url: str, alert: AlertRow) -> str:
    """Where people see an alert's metric: the monitor's page; empty where that is not known."""
    if not external_url:
        return ""
    query = {"window": alert["window"], "metric": alert["metric"]}
    if alert["segment"]:
        pairs = sorted(alert["segment"].items())
        query["segment"] = ",".join(f"{name}:{quote(value, safe='')}" for name, value in pairs)
    asked = {name: value for name, value in query.items() if value}
    return f"{external_url}/?{urlencode(asked, safe=':,')}"


def texts_of(alert: AlertRow) -> dict[str, str]:
    """Texts for people: the rule's own, with a summary in any case."""
    own = dict(alert["annotations"])
    if not own.get("summary"):
        value = "no data" if alert["value"] is None else f"{alert['value']:g}"
        own["summary"] = f"{alert['name']}: {alert['metric']} is {value} ({alert['condition']})"
    return own


def webhook_alert(alert: AlertRow, external_url: str) -> dict[str, Any]:
    """One alert of Alertmanager's webhook JSON, version 4."""
    over = alert["state"] == RESOLVED
    return {
        "status": alert["state"],
        "labels": dict(alert["labels"]),
        "annotations": texts_of(alert),
        "startsAt": alert["starts_at"] or alert["since"],
        "endsAt": (alert["ends_at"] or alert["since"]) if over else NEVER,
        "generatorURL": link(external_url, alert),
        "fingerprint": alert["fingerprint"],
    }


def common(maps: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """What all of some maps have, with the same value.

    >>> common([{"a": "1", "b": "2"}, {"a": "1", "b": "3"}])
    {'a': '1'}
    """
    first, *others = maps
    return {k: v for k, v in first.items() if all(other.get(k) == v for other in others)}


def group_key(receiver: str, group: GroupKey) -> str:
    r"""Names a group among all notifications; the same for as long as there is the receiver.

    >>> group_key("ops", (("alertname", 'NPS "low"'),))
    '{receiver="ops"}:{alertname="NPS \\"low\\""}'
    """
    return f"{{{_matchers((('receiver', receiver),))}}}:{{{_matchers(group)}}}"


def _matchers(pairs: Iterable[tuple[str, str]]) -> str:
    escaped = ((name, value.replace("\\", "\\\\").replace('"', '\\"')) for name, value in pairs)
    return ", ".join(f'{name}="{value}"' for name, value in escaped)
