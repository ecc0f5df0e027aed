"""An alert as JSON-ready fields: what is stored, published, and shown."""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final

from processor.alerting.lifecycle import Life, State
from processor.alerting.rule import Rule
from processor.alerting.wording import filled
from schemas.timestamps import format_rfc3339, parse_rfc3339

AlertRow = dict[str, Any]
"""The fields of `schemas.alerts.Alert`."""

_FINGERPRINT_BYTES: Final = 8


def labels_of(rule: Rule, segment: Mapping[str, str], currency: str | None) -> dict[str, str]:
    """What identifies an alert: the same for as long as it is about the same thing.

    Values that change are no labels: each would be an alert of its own.
    """
    labels = {"alertname": rule.name, "severity": rule.severity, "metric": rule.metric}
    if rule.window is not None:
        labels["window"] = rule.window
    if currency is not None:
        labels["currency"] = currency
    return {**labels, **rule.labels, **segment}


def fingerprint_of(rule: Rule, segment: Mapping[str, str], currency: str | None) -> str:
    """Names an alert for receivers that drop repeats: 16 hexadecimal digits.

    Made of rule, metric, window, segment and currency: it outlives a change of threshold, severity
    or labels, so that what fires is resolved under the name it began with.
    """
    digest = blake2b(digest_size=_FINGERPRINT_BYTES, person=b"cxpulse.alert")
    parts = [rule.name, rule.metric, rule.window or "", currency or ""]
    for name in sorted(segment):
        parts += (name, segment[name])
    for part in parts:
        encoded = part.encode()
        digest.update(len(encoded).to_bytes(4, "big") + encoded)
    return digest.hexdigest()


def alert_row(
    rule: Rule, life: Life, fingerprint: str, subject: Mapping[str, Any], previous: State
) -> AlertRow:
    """An alert as it stands.

    Args:
        rule: its rule.
        life: its state and times.
        fingerprint: as of `fingerprint_of`.
        subject: the reading that it is about, or as much as is known of it.
        previous: the state before.
    """
    segment, currency = subject["segment"], subject.get("currency")
    labels = labels_of(rule, segment, currency)
    values = {
        **labels,
        "name": rule.name,
        "metric": rule.metric,
        "window": rule.window,
        "segment": ", ".join(f"{k} {v}" for k, v in sorted(segment.items())) or "everything",
        "currency": currency,
        "condition": rule.condition,
        "severity": rule.severity,
        "state": life.state,
        **{name: subject.get(name) for name in _NUMBERS},
        "unit": subject.get("unit"),
    }
    ended = life.state in {State.RESOLVED, State.INACTIVE}
    return {
        "fingerprint": fingerprint,
        "name": rule.name,
        "state": life.state.value,
        "previous_state": previous.value,
        "severity": rule.severity,
        "metric": rule.metric,
        "window": rule.window,
        "segment": dict(segment),
        "currency": currency,
        "condition": rule.condition,
        "labels": labels,
        "annotations": {name: filled(text, values) for name, text in rule.annotations.items()},
        "value": subject.get("value"),
        "reading": dict(subject) if "revision" in subject else None,
        "since": format_rfc3339(life.since_ms),
        "starts_at": format_rfc3339(life.starts_at_ms) if life.starts_at_ms else None,
        "ends_at": format_rfc3339(life.since_ms) if ended else None,
        "recovering_since": _time(life.recovering_since_ms),
    }


_NUMBERS: Final = ("value", "n", "low", "high", "previous", "change")


def life_of(row: Mapping[str, Any]) -> Life:
    """The life of a stored alert.

    Raises:
        KeyError, ValueError: the fields are not those of an alert.
    """
    starts_at, recovering = row["starts_at"], row["recovering_since"]
    return Life(
        state=State(row["state"]),
        since_ms=parse_rfc3339(row["since"]),
        starts_at_ms=parse_rfc3339(starts_at) if starts_at else 0,
        recovering_since_ms=parse_rfc3339(recovering) if recovering else None,
    )


def _time(ms: int | None) -> str | None:
    return None if ms is None else format_rfc3339(ms)
