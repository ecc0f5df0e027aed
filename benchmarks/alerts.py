"""``python -m benchmarks.alerts``: what the shipped rules find, how soon, and what by mistake.

Two questions, both answered by `rehearse_events` over simulated traffic of every type, with the
rhythm of a day:

- Quiet weeks: nothing goes wrong, so each alert that fires is a false alarm.
- Incidents: one of each kind, after as much quiet as its rule compares with. Told is the time from
  the incident's start until the rule fired, in seconds of event time, its ``for`` included, and
  what else fired until an hour after the incident's end. A rule that takes longer than two of its
  windows is told as missed.

A minute lies between evaluations: that much later, at most, is what is told here than it is live.
With ``--days 7 --seeds 1 2 3`` it takes about half an hour of one core.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from processor.alerting.default_rules import shipped_rules
from processor.alerting.rule import Rule
from processor.alerting.signals import RATE_OVER_MS
from processor.core.config import EngineConfig
from processor.core.panes import HOUR_MS, MINUTE_MS, SECOND_MS, parse_duration_ms
from processor.metrics.catalogue import CATALOGUE
from processor.replay.alerting import Episode, Rehearsal, rehearse_events
from processor.simulation import Incident, encode, simulate

START_MS: Final = 1_772_000_000_000
"""A Wednesday, at 6:13 in the morning."""

RATE: Final = 4.0
"""Events per second, over the day: 346,000 a day."""

_HOUR_S: Final = 3600.0
_DAY_S: Final = 24 * _HOUR_S
_AFTERWARDS_S: Final = _HOUR_S
_SETTLING_S: Final = 900.0
"""Beyond the two windows that a change is seen in: nothing begins on the edge."""


@dataclass(frozen=True, slots=True)
class Case:
    """An incident and the rule that is to tell of it.

    Attributes:
        incident: its kind.
        rule: the name of the rule; ``None`` where none may fire.
        duration_s: how long it lasts, in seconds.
    """

    incident: str
    rule: str | None
    duration_s: float = 2 * _HOUR_S

    @property
    def span_s(self) -> float:
        """Seconds that its rule looks at: the window, or those of the rate of dead letters."""
        return span_ms(self.rule) / SECOND_MS

    @property
    def quiet_s(self) -> float:
        """Seconds before it: two windows, of which neither begins before the events do."""
        return max(2 * self.span_s, 2 * _HOUR_S) + _SETTLING_S


CASES: Final = (
    # No longer: after a few hours a day's NPS is below zero with it, and has a rule of its own.
    Case("nps-drop", "NPS fell", duration_s=1.5 * _HOUR_S),
    Case("csat-drop", "CSAT fell"),
    Case("ctr-drop", "CTR fell"),
    Case("bounce-spike", "Bounces spike"),
    Case("cart-trouble", "Carts are abandoned"),
    Case("refund-wave", "Refunds surge"),
    Case("slow-support", "First responses are slow"),
    Case("churn-wave", "Customers leave"),
    Case("bad-press", "Mentions surge"),
    Case("outage", "Sessions are gone", duration_s=1800.0),
    Case("duplicate-storm", None),
    Case("poison", "Events go to dead letters", duration_s=600.0),
)


@dataclass(frozen=True, slots=True)
class Found:
    """What the rules made of an incident.

    Attributes:
        case: the incident.
        seconds: from its start until its rule fired; ``None`` if it did not within two windows.
        others: rules that fired beside it.
    """

    case: Case
    seconds: float | None
    others: tuple[str, ...]

    @property
    def is_right(self) -> bool:
        """Whether the right rule fired in time, and no other."""
        return not self.others and (self.seconds is not None) == (self.case.rule is not None)


def span_ms(name: str | None) -> int:
    """The milliseconds that a rule's value is about."""
    windows = [rule.window for rule in shipped_rules() if rule.name == name]
    if not windows:
        return HOUR_MS
    return RATE_OVER_MS if windows[0] is None else parse_duration_ms(windows[0])


def rehearsed(
    *,
    seed: int,
    hours: float,
    incidents: Sequence[Incident] = (),
    rate: float = RATE,
    rules: Sequence[Rule] | None = None,
) -> Rehearsal:
    """The shipped rules over simulated traffic.

    Args:
        seed: of the simulation.
        hours: how long it lasts.
        incidents: what goes wrong.
        rate: events per second.
        rules: others than the shipped ones.
    """
    events = simulate(
        seed=seed,
        rate=rate,
        start_ms=START_MS,
        duration_s=hours * _HOUR_S,
        incidents=incidents,
    )
    return rehearse_events(
        map(encode, events),
        shipped_rules() if rules is None else rules,
        config=EngineConfig(segment_sets=()),
        metrics=CATALOGUE,
        every_ms=MINUTE_MS,
        now_ms=START_MS + int(hours * HOUR_MS),
    ).run()


def found(case: Case, episodes: Sequence[Episode], start_s: float) -> Found:
    """What became of one incident.

    Args:
        case: the incident.
        episodes: that fired in its run.
        start_s: when it began, in seconds from the start of the run.
    """
    begins_ms = START_MS + start_s * SECOND_MS
    seconds, others = None, []
    for one in episodes:
        after_s = ((one.fired_at_ms or 0) - begins_ms) / SECOND_MS
        if one.rule == case.rule and 0 <= after_s <= 2 * case.span_s:
            seconds = after_s if seconds is None else min(seconds, after_s)
        elif one.rule != case.rule:
            others.append(one.rule)
    return Found(case, seconds, tuple(dict.fromkeys(others)))


def struck(case: Case, *, seed: int, rate: float = RATE) -> Found:
    """What the rules make of an incident, in a run of its own."""
    incident = Incident(case.incident, case.quiet_s, case.duration_s)
    hours = (incident.end_s + _AFTERWARDS_S) / _HOUR_S
    run = rehearsed(seed=seed, hours=hours, incidents=[incident], rate=rate)
    return found(case, run.fired(), case.quiet_s)


def table(results: Sequence[Found]) -> Iterator[str]:
    """Lines of a table of incidents."""
    yield f"{'incident':<18}{'rule':<28}{'window':>8}{'fired after':>13}{'windows':>9}  besides"
    for one in results:
        case = one.case
        if case.rule is None:
            what = f"{'none expected':<28}{'':>8}{'':>13}{'':>9}"
        elif one.seconds is None:
            what = f"{case.rule:<28}{case.span_s:>6.0f} s{'missed':>13}{'':>9}"
        else:
            share = one.seconds / case.span_s
            what = f"{case.rule:<28}{case.span_s:>6.0f} s{one.seconds:>11.0f} s{share:>9.2f}"
        yield f"{case.incident:<18}{what}  {', '.join(one.others) or '-'}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; 1 where a rule is silent, or speaks without reason."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.alerts", description=__doc__)
    parser.add_argument("--days", type=float, default=7.0, help="of each quiet run")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--rate", type=float, default=RATE, help="events per second")
    parser.add_argument("--incidents", nargs="*", default=[case.incident for case in CASES])
    parser.add_argument("--json", action="store_true", help="instead of the table")
    asked = parser.parse_args(arguments)
    began = time.process_time()
    chosen = [case for case in CASES if case.incident in asked.incidents]
    results: list[Found] = []
    for case in chosen:
        _say(f"incident {case.incident}, seed {asked.seeds[0]}")
        results.append(struck(case, seed=asked.seeds[0], rate=asked.rate))
    alarms: dict[int, Counter[str]] = {}
    for seed in asked.seeds if asked.days > 0 else ():
        _say(f"{asked.days:g} quiet days, seed {seed}")
        run = rehearsed(seed=seed, hours=24 * asked.days, rate=asked.rate)
        alarms[seed] = Counter(one.rule for one in run.fired())
    if asked.json:
        print(json.dumps(_as_dict(results, alarms), indent=2))
    else:
        for line in (*table(results), *_quiet(alarms, asked.days)):
            print(line)
    _say(f"{asked.rate:g} events/s, {time.process_time() - began:.0f} s of CPU")
    return 0 if all(one.is_right for one in results) and not any(alarms.values()) else 1


def _quiet(alarms: dict[int, Counter[str]], days: float) -> Iterator[str]:
    for seed, counts in alarms.items():
        named = ", ".join(f"{rule} ({n})" for rule, n in counts.items()) or "none"
        yield f"false alarms in {days:g} quiet days, seed {seed}: {named}"


def _as_dict(results: Sequence[Found], alarms: dict[int, Counter[str]]) -> dict[str, Any]:
    return {
        "incidents": [
            {
                "incident": one.case.incident,
                "rule": one.case.rule,
                "span_s": one.case.span_s,
                "fired_after_s": one.seconds,
                "others": list(one.others),
            }
            for one in results
        ],
        "false_alarms": {seed: dict(counts) for seed, counts in alarms.items()},
    }


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
