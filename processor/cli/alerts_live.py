"""Alerts and silences as they are now, in Redis."""

import getpass
import json as json_format
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import Any, Final

import typer
from pydantic import ValidationError
from redis.asyncio import Redis

from processor.alerting.silence import Silence, silenced_by
from processor.cli.errors import CommandError, UsageError
from processor.cli.options import seconds
from processor.cli.tables import instant, measured, plain, table
from processor.cli.terminal import say
from processor.settings import Settings
from processor.state.keys import Keys
from processor.state.live import LiveReadings, Status
from processor.state.redis_url import async_client
from processor.state.replies import text
from processor.state.silences import Silences
from schemas.alerts import Alert
from schemas.timestamps import from_ms, to_ms

_ORDER: Final = ("firing", "pending", "resolved")
_QUIET_MS: Final = 60_000
"""A publisher that said nothing for so long does not run, or is stuck."""

_LONGEST: Final = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A silence that is to be.

    Attributes:
        rule: the name of a rule; of any where ``None``.
        labels: labels that alerts must have.
        until: when it ends.
        comment: why.
        author: who; the name of this user where ``None``.
    """

    rule: str | None
    labels: Mapping[str, str]
    until: datetime
    comment: str
    author: str | None


def labels_of(pairs: Sequence[str]) -> dict[str, str]:
    """Labels written as name=value.

    Raises:
        UsageError: one is not, or a name is given twice.
    """
    labels: dict[str, str] = {}
    for pair in pairs:
        name, _, value = pair.partition("=")
        if not (name and value):
            raise UsageError("--label: write name=value, such as channel=email")
        if name in labels:
            raise UsageError(f"--label: {name} is given twice, and an alert has one value of it")
        labels[name] = value
    return labels


def until_of(duration: str) -> datetime:
    """When a silence that begins now ends.

    Raises:
        UsageError: it is no duration, or too long.
    """
    length_s = seconds(duration, "--for")
    if not 1 <= length_s <= _LONGEST.total_seconds():
        raise UsageError(f"--for: a silence lasts from 1s to {_LONGEST.days}d")
    return from_ms(_now_ms() + int(1000 * length_s))


async def show_alerts(settings: Settings, *, resolved: bool, json: bool) -> None:
    """Print the alerts that are on their way, firing first, and with ``resolved`` all others.

    Raises:
        redis.exceptions.RedisError: Redis is away or refuses.
    """
    now_ms = _now_ms()
    async with redis_of(settings) as redis:
        keys = Keys(settings.redis.prefix)
        stored: Any = await redis.hgetall(keys.alerts)
        silences = await Silences(redis, keys).read(now_ms)
        status = await LiveReadings(redis, keys).status()
    states = _ORDER if resolved else _ORDER[:2]
    rows = [row for row in _readable(stored) if row.get("state") in states]
    rows.sort(key=lambda row: (row["since"], row["name"]), reverse=True)
    rows.sort(key=lambda row: _ORDER.index(row["state"]))
    muting = [silenced_by(row, silences, now_ms) for row in rows]
    if json:
        for row, one in zip(rows, muting, strict=True):
            by = None if one is None else one.model_dump(mode="json")
            typer.echo(json_format.dumps({**row, "silenced_by": by}, ensure_ascii=False))
    elif rows:
        table(
            ("state", "severity", "rule", "segment", "value", "since", "silenced"),
            [_alert_cells(row, one) for row, one in zip(rows, muting, strict=True)],
        )
    counts = [f"{sum(row['state'] == state for row in rows)} {state}" for state in states]
    silenced = sum(one is not None for one in muting)
    say(", ".join([*counts, f"{silenced} silenced"]) + _as_of(status, now_ms))


async def show_silences(settings: Settings, *, json: bool) -> None:
    """Print the silences in force.

    Raises:
        redis.exceptions.RedisError: Redis is away or refuses.
    """
    async with redis_of(settings) as redis:
        silences = await Silences(redis, Keys(settings.redis.prefix)).read(_now_ms())
    if json:
        for silence in silences:
            typer.echo(silence.model_dump_json())
    elif silences:
        table(
            ("id", "until", "silences", "by", "comment"),
            [
                (plain(one.id), _time(one.until), _matching(one), plain(one.created_by),
                 plain(one.comment))
                for one in silences
            ],
        )  # fmt: skip
    say(f"{len(silences)} silence{'' if len(silences) == 1 else 's'} in force")


async def add_silence(settings: Settings, wanted: Wanted, *, json: bool) -> None:
    """Store a silence and print its id.

    Raises:
        UsageError: a text is too long.
        redis.exceptions.RedisError: Redis is away or refuses.
    """
    async with redis_of(settings) as redis:
        keys = Keys(settings.redis.prefix)
        try:
            silence = await Silences(redis, keys).add(
                until=wanted.until,
                rule=wanted.rule,
                labels=wanted.labels,
                comment=wanted.comment,
                created_by=_user() if wanted.author is None else wanted.author,
            )
        except ValidationError as error:
            (problem, *_) = error.errors(include_url=False, include_input=False)
            raise UsageError(f"{problem['loc'][0]}: {problem['msg']}") from None
        now_ms = _now_ms()
        stored: Any = await redis.hgetall(keys.alerts)
    typer.echo(silence.model_dump_json() if json else silence.id)
    on_their_way = [row for row in _readable(stored) if row["state"] in _ORDER[:2]]
    muted = sum(silence.mutes(row, now_ms) for row in on_their_way)
    say(f"silenced until {_time(silence.until)}: {_matching(silence)}; {muted} alerts of now")
    if wanted.rule is not None:
        _say_if_unknown(settings, wanted.rule)


async def remove_silence(settings: Settings, silence_id: str) -> None:
    """End a silence.

    Raises:
        CommandError: there is none of that id.
        redis.exceptions.RedisError: Redis is away or refuses.
    """
    async with redis_of(settings) as redis:
        removed = await Silences(redis, Keys(settings.redis.prefix)).remove(silence_id)
    if not removed:
        raise CommandError(
            f"there is no silence {plain(silence_id)!r}: it has expired, or see "
            "`cxpulse alerts silence --list`"
        )
    say(f"ended {silence_id}")


@asynccontextmanager
async def redis_of(settings: Settings) -> AsyncIterator[Redis]:
    """A client for one command, which tries once."""
    redis = settings.redis
    client = async_client(redis.url.get_secret_value(), timeout_s=redis.timeout_s, retries=0)
    try:
        yield client
    finally:
        await client.aclose()


def _readable(stored: Mapping[Any, Any]) -> Iterable[dict[str, Any]]:
    for fingerprint, value in stored.items():
        try:
            Alert.model_validate_json(text(value))
        except ValidationError:
            say(f"the stored alert {plain(text(fingerprint))!r} cannot be read")
            continue
        yield json_format.loads(text(value))


def _alert_cells(row: Mapping[str, Any], silence: Silence | None) -> tuple[str, ...]:
    segment = ",".join(f"{name}={value}" for name, value in sorted(row["segment"].items()))
    return (
        row["state"],
        plain(row["severity"]),
        plain(row["name"]),
        plain(segment) or "all",
        measured(row["value"], (row["reading"] or {}).get("unit"), row["currency"]),
        row["since"].replace(".000Z", "Z"),
        "" if silence is None else plain(f"{silence.created_by} until {_time(silence.until)}"),
    )


def _matching(silence: Silence) -> str:
    parts = [] if silence.rule is None else [f"rule {silence.rule}"]
    parts += [f"{name}={value}" for name, value in sorted(silence.labels.items())]
    return plain(", ".join(parts)) or "everything"


def _time(when: datetime) -> str:
    return instant(to_ms(when))


def _as_of(status: Status | None, now_ms: int) -> str:
    if status is None:
        return "; nothing was published yet: is a worker running?"
    if now_ms - status.published_at_ms > _QUIET_MS:
        last = instant(status.published_at_ms)
        return f"; nothing was published since {last}: is a worker running?"
    return f", as of {status.as_of}"


def _say_if_unknown(settings: Settings, name: str) -> None:
    """A silence of a rule that is not there mutes nothing: most likely its name is misspelt."""
    known = [rule.name for rule in settings.rules(settings.catalogue(settings.own_metrics()))]
    if name not in known:
        near = get_close_matches(name, known, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        say(f"warning: no rule of this configuration has the name {name!r}{hint}")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return ""


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
