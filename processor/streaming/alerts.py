"""Alerts in the publisher: rules over what a tick publishes, stored with it in one write.

An evaluator lives as long as its leader does. The next one goes on from what is stored, so that a
restart forgets no alert and begins none twice: an alert's state, what it is told with (the outbox)
and the readings behind it are written by the same script, or none of them.
"""

import json
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from redis.asyncio import Redis

from processor.alerting.evaluator import Evaluation, Evaluator
from processor.alerting.rule import Rule
from processor.metrics.rendering import segment
from processor.state.keys import Keys
from processor.streaming.signals import Signals

log = logging.getLogger(__name__)

OUTBOX_LENGTH: Final = 10_000
"""Changes kept for receivers that are behind, about."""


class Alerts:
    """The alerts of a publisher, for as long as it leads.

    Args:
        rules: as configured; there may be none.
        redis: a client with bounded time-outs.
        keys: key names of the deployment.
        signals: looks at the processor itself, for the rules that watch it.
        min_samples: fewer observations than this decide nothing, where a rule does not say.
        stale_after_ms: readings whose watermark is further behind the clock decide nothing.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        *,
        redis: Redis,
        keys: Keys,
        signals: Signals,
        min_samples: int,
        stale_after_ms: int,
    ) -> None:
        self._rules = rules
        self._redis = redis
        self._keys = keys
        self._signals = signals
        self._min_samples = min_samples
        self._stale_after_ms = stale_after_ms
        self._evaluator = Evaluator(rules, min_samples=min_samples)

    async def take_over(self) -> None:
        """Begin anew, from what the leader before stored; whatever was not stored did not happen.

        Raises:
            redis.exceptions.RedisError: Redis is away or refuses.
        """
        stored = await self._redis.hgetall(self._keys.alerts)
        self._evaluator = Evaluator(self._rules, min_samples=self._min_samples)
        self._evaluator.restore(_readable(stored))

    def wants(self, metric: str, window: str, series: str) -> bool:
        """Whether any rule watches readings of a metric, window and segment's key."""
        return self._evaluator.watches_window(metric, window) and self._evaluator.wanted(
            metric, window, segment(series)
        )

    async def evaluate(
        self,
        rows: Iterable[Mapping[str, Any]],
        *,
        time_ms: int,
        watermark_ms: int,
        now_ms: int,
        young: Collection[str] = (),
    ) -> Evaluation:
        """What a tick's readings change.

        Args:
            rows: the readings that say something new; those that none `wants` may be left out.
            time_ms: event time at which the tick's windows end.
            watermark_ms: the event-time watermark behind them.
            now_ms: the clock.
            young: windows whose window before is not known in full.

        Raises:
            redis.exceptions.RedisError: Redis is away or refuses.
        """
        if not self._evaluator.watches:
            return Evaluation()
        self._evaluator.update(rows)
        self._evaluator.update(await self._signals.look(now_ms))
        stale = now_ms - watermark_ms > self._stale_after_ms
        return self._evaluator.evaluate(time_ms, stale=stale, young=young)


def script_arguments(evaluation: Evaluation) -> list[str | int]:
    """An evaluation as the publishing script takes it.

    Returns:
        How many alerts are stored, fingerprint and JSON of each (empty to forget it), the length
        of the outbox, how many changes there are, and the JSON of each.
    """
    arguments: list[str | int] = [len(evaluation.stored)]
    for fingerprint, row in evaluation.stored.items():
        arguments += (fingerprint, "" if row is None else _json(row))
    arguments += (OUTBOX_LENGTH, len(evaluation.changes))
    arguments += map(_json, evaluation.changes)
    return arguments


def _json(row: Mapping[str, Any]) -> str:
    return json.dumps(row, separators=(",", ":"), ensure_ascii=False)


def _readable(stored: Mapping[Any, Any]) -> Iterable[dict[str, Any]]:
    for fingerprint, text in stored.items():
        try:
            yield json.loads(text)
        except ValueError as error:
            log.warning(
                "the stored alert %r cannot be read and is forgotten: %s", fingerprint, error
            )
