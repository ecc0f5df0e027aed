"""Notifications that could not be told, as they are kept in Redis."""

import json as json_format
from collections import Counter
from dataclasses import asdict

import typer

from processor.cli.alerts_live import redis_of
from processor.cli.tables import instant, plain, table
from processor.cli.terminal import say
from processor.notifying.outbox import GivenUp, Outbox
from processor.settings import Settings
from processor.state.keys import Keys


async def show_undelivered(settings: Settings, *, receiver: str | None, json: bool) -> None:
    """Print the notifications that were given up, newest first.

    Args:
        settings: whose Redis.
        receiver: only those for this one.
        json: a JSON object each.

    Raises:
        redis.exceptions.RedisError: Redis is away or refuses.
    """
    async with redis_of(settings) as redis:
        kept = await Outbox(redis, Keys(settings.redis.prefix)).given_up()
    kept = [one for one in kept if receiver in (None, one.receiver)]
    if json:
        for one in kept:
            typer.echo(json_format.dumps(asdict(one), ensure_ascii=False))
    elif kept:
        table(("when", "receiver", "alerts", "why"), [_cells(one) for one in kept])
    say(f"{len(kept)} notification{'' if len(kept) == 1 else 's'} could not be told")


def _cells(one: GivenUp) -> tuple[str, ...]:
    names = Counter(str(alert.get("name", "")) for alert in one.alerts)
    named = ", ".join(f"{name} ({n})" if n > 1 else name for name, n in names.items())
    more = one.count - len(one.alerts)
    alerts = f"{named} and {more} more" if more else named
    return instant(one.at_ms), plain(one.receiver), plain(alerts), plain(one.reason)
