"""Alert rules evaluated tick by tick of event time, over an engine that counts what they watch."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from processor.alerting.checks import Deployment, problems_of
from processor.alerting.evaluator import Evaluation, Evaluator
from processor.alerting.rule import Rule
from processor.alerting.signals import RATE_OVER_MS, SIGNALS, DeadLetterRate, signal_row
from processor.core.config import EngineConfig
from processor.core.panes import MINUTE_MS, SECOND_MS
from processor.metrics.own_definition import OwnMetric
from processor.metrics.registry import Metric
from processor.replay.inproc import InProcessEngine

SHORTEST_TICK_MS: Final = 10 * SECOND_MS
LONGEST_TICK_MS: Final = MINUTE_MS


@dataclass(slots=True)
class RuleTicks:
    """An engine and an evaluator, tick by tick.

    Attributes:
        rules: those that are evaluated.
        engine: counts what they watch.
        every_ms: event time between two ticks.
        low_sample_under: fewer observations decide nothing, where a rule does not say.
        next_ms: the next tick.
        ticks: how many there were.
    """

    rules: Sequence[Rule]
    engine: InProcessEngine
    every_ms: int
    low_sample_under: int
    next_ms: int = 0
    ticks: int = 0
    evaluator: Evaluator = field(init=False)
    signals: frozenset[str] = field(init=False)
    settled_after_ms: int = field(init=False)
    by_name: dict[str, Rule] = field(init=False)
    dead_letters: DeadLetterRate = field(default_factory=DeadLetterRate)

    def __post_init__(self) -> None:
        self.evaluator = Evaluator(self.rules, min_samples=self.low_sample_under)
        self.signals = frozenset(rule.metric for rule in self.rules) & frozenset(SIGNALS)
        self.settled_after_ms = max(map(_settled_after_ms, self.rules), default=0)
        self.by_name = {rule.name: rule for rule in self.rules}

    @property
    def lateness_ms(self) -> int:
        """How late an event may come."""
        return self.engine.config.lateness_ms

    def begin(self, time_ms: int) -> None:
        """Tick from a time on, the first event's."""
        self.next_ms = -(-time_ms // self.every_ms) * self.every_ms

    def tick(self, quiet_until_ms: int) -> Iterator[Evaluation]:
        """Evaluate at the next tick, and at those after it that nothing can come before."""
        self.engine.settle(self.next_ms)
        yield self._evaluated(self.next_ms)
        self.next_ms += self.every_ms
        if not self.engine.is_empty:
            return
        # No reading changes before the next event. Time alone moves alerts for a while.
        moving_until_ms = self.next_ms + self.settled_after_ms
        while self.next_ms < min(quiet_until_ms, moving_until_ms):
            yield self._evaluated(self.next_ms)
            self.next_ms += self.every_ms
        skipped = max(0, (quiet_until_ms - self.next_ms) // self.every_ms)
        self.next_ms += skipped * self.every_ms

    def last_tick(self, time_ms: int) -> Evaluation:
        """Evaluate at the end of the log; sessions that are open stay so, as they would live."""
        return self._evaluated(time_ms)

    def worse(self, rule: str, one: float | None, other: float | None) -> float | None:
        """The one of two values that is further on a rule's bad side, if it is on that at all."""
        asked = self.by_name[rule]
        if other is None:
            return one
        if asked.below is not None and other >= asked.below:
            return one
        if asked.above is not None and other <= asked.above:
            return one
        if one is None:
            return other
        return min(one, other) if asked.drop or asked.below is not None else max(one, other)

    def _evaluated(self, time_ms: int) -> Evaluation:
        self.ticks += 1
        self.evaluator.update(self.engine.changed(time_ms, self.ticks).values())
        if self.signals:
            self.evaluator.update(self._look(time_ms))
        return self.evaluator.evaluate(time_ms, young=self.engine.totals.young())

    def _look(self, time_ms: int) -> Iterator[dict[str, Any]]:
        outcomes = self.engine.outcomes.values()
        letters = sum(one["rejected"] + one["late"] for one in outcomes)
        events = letters + sum(one["counted"] + one["repeats"] for one in outcomes)
        age_ms = max(0, time_ms - self.engine.clock_ms)
        yield signal_row("processor_lag", 0)  # a log is read when it is read
        yield signal_row(
            "processor_dead_letter_rate", self.dead_letters.after(time_ms, events, letters)
        )
        yield signal_row("processor_input_age", age_ms / SECOND_MS)


def narrow_engine(
    rules: Sequence[Rule],
    config: EngineConfig,
    metrics: Mapping[str, Metric],
    own: Sequence[OwnMetric],
    low_sample_under: int,
) -> InProcessEngine:
    """An engine that counts as that of ``config``, as far as rules watch it.

    Raises:
        ValueError: rules watch what is not there: a line for each problem.
    """
    names = [window.name for window in config.windows]
    problems = problems_of(rules, Deployment(metrics, names, list(map(tuple, config.segment_sets))))
    lines = [f"{name}: {problem}" for name, problem in problems]
    if lines:
        raise ValueError("\n".join(lines))
    watched = {rule.window for rule in rules}
    sets = {rule.dimensions for rule in rules}
    # The windows' own panes stay: planned anew, they might be others. Without any, one has to be.
    windows = tuple(one for one in config.windows if one.name in watched) or config.windows[:1]
    segment_sets = tuple(tuple(one) for one in config.segment_sets if frozenset(one) in sets)
    asked = {rule.metric for rule in rules}
    return InProcessEngine(
        replace(config, windows=windows, segment_sets=segment_sets),
        {name: metric for name, metric in metrics.items() if name in asked},
        low_sample_under=low_sample_under,
        own=[one for one in own if one.metric.name in asked],
    )


def tick_ms(rules: Sequence[Rule], config: EngineConfig, asked_ms: int | None) -> int:
    """The event time between two ticks: as asked, or the shortest pane that is watched.

    Raises:
        ValueError: what is asked is not positive.
    """
    if asked_ms is not None:
        if asked_ms < 1:
            raise ValueError("the time between evaluations must be positive")
        return asked_ms
    watched = {rule.window for rule in rules}
    panes = [window.pane_ms for window in config.windows if window.name in watched]
    return min(max(min(panes, default=0), SHORTEST_TICK_MS), LONGEST_TICK_MS)


def _settled_after_ms(rule: Rule) -> int:
    """How long an alert can still move when nothing comes any more."""
    reached_ms = RATE_OVER_MS
    if rule.metric == "processor_input_age" and rule.above is not None:
        reached_ms += int(rule.above * SECOND_MS)
    return reached_ms + rule.for_ms + rule.keep_firing_for_ms
