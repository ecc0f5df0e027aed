"""The pytest plugin: fixtures for events, engines, replays, alert rules and golden files.

pytest imports this module in every run of an environment that has cxpulse, so it imports nothing
else before a fixture is used.
"""
# ruff: noqa: PLC0415 - see above

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    import os
    from collections.abc import Collection, Iterable, Sequence

    from processor.metrics.present import Row
    from processor.replay import Engine, EventLike, Readings
    from processor.testing.alerts import Alerts, RuleLike
    from processor.testing.events import EventBuilder

_UPDATE = "cx_update_golden"
_MARKER = "cx_options"
_PROPERTY = "cx_golden"


class Replayed(Protocol):
    """What the fixture `cx_replay` is."""

    def __call__(
        self, *what: "str | os.PathLike[str] | EventLike | Iterable[EventLike]", **options: Any
    ) -> "Readings":
        """Replay logs, or events."""


class Rehearsed(Protocol):
    """What the fixture `cx_alerts` is."""

    def __call__(
        self,
        rules: "RuleLike | Iterable[RuleLike]",
        *what: "str | os.PathLike[str] | EventLike | Iterable[EventLike]",
        **options: Any,
    ) -> "Alerts":
        """Rehearse rules over logs, or events."""


class Golden(Protocol):
    """What the fixture `cx_golden` is."""

    def __call__(
        self,
        readings: "Sequence[Row]",
        file: "str | os.PathLike[str]",
        *,
        tolerance: str | float = "0",
        ignore: "Collection[str]" = (),
    ) -> None:
        """Compare readings with a stored file."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the one option."""
    parser.getgroup("cxpulse", "customer-experience metrics").addoption(
        "--cx-update-golden",
        action="store_true",
        dest=_UPDATE,
        help="write the files of cx_golden again, and show what differs",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Makes the marker known, and collects what is said of golden files."""
    config.addinivalue_line(
        "markers",
        f"{_MARKER}(**options): options of cx_engine, cx_replay and cx_alerts in this test",
    )
    config.pluginmanager.register(_GoldenReport(), "cxpulse-golden")


class _GoldenReport:
    """Says at the end which golden files were written; also for processes of pytest-xdist."""

    def __init__(self) -> None:
        self._said: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            self._said += [str(text) for name, text in report.user_properties if name == _PROPERTY]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._said:
            terminalreporter.section("golden files")
            for text in self._said:
                terminalreporter.write_line(text)


@pytest.fixture
def cx_options() -> "dict[str, Any]":
    """Options of all of one's tests: override it in a `conftest.py`, or mark a test.

    For example ``{"modules": ["my_metrics.py"], "windows": ["1h"]}``; the marker
    ``@pytest.mark.cx_options(windows=["24h"])`` wins over it.
    """
    return {}


@pytest.fixture
def cx_events() -> "EventBuilder":
    """Makes valid events: ``cx_events.nps(9, at="2026-03-01T12:00:00Z", channel="email")``."""
    from processor.testing.events import EventBuilder

    return EventBuilder()


@pytest.fixture
def cx_engine(request: pytest.FixtureRequest, cx_options: "dict[str, Any]") -> "Engine":
    """An engine whose clock is moved by hand: see :class:`processor.replay.Engine`."""
    from processor.replay import Engine

    return Engine(**_options(request, cx_options, {}))


@pytest.fixture
def cx_replay(request: pytest.FixtureRequest, cx_options: "dict[str, Any]") -> Replayed:
    """Replays logs, or events, and returns their readings.

    ``cx_replay("march.jsonl", windows=["1h"])`` takes a path relative to the test's file, and
    ``cx_replay(events)`` events, lists of them or both. The options are those of
    :func:`processor.replay.replay_log`, over `cx_options`.
    """
    from processor.replay import replay_events, replay_log
    from processor.replay.interactive import each_event

    def replayed(*what: Any, **options: Any) -> "Readings":
        chosen = _options(request, cx_options, options)
        if what and all(isinstance(one, str | Path) for one in what):
            return replay_log(*(request.path.parent / one for one in what), **chosen)
        return replay_events(each_event(what), **chosen)

    return replayed


@pytest.fixture
def cx_alerts(request: pytest.FixtureRequest, cx_options: "dict[str, Any]") -> Rehearsed:
    """Tries alert rules on logs, or events, and returns what they would have told.

    ``cx_alerts("cxpulse.toml", "march.jsonl")`` takes the rules of a file, and paths relative to
    the test's file. ``cx_alerts({"name": "low", "metric": "nps", ...}, events)`` takes a rule as
    it stands in ``[[alerts]]``, and events, lists of them or both. Several rules are a list. The
    options are those of :func:`processor.testing.alerts.rehearsed`, over `cx_options`.
    """
    from processor.testing.alerts import rehearsed, rules_from

    def rehearse(rules: "RuleLike | Iterable[RuleLike]", *what: Any, **options: Any) -> "Alerts":
        folder = request.path.parent
        are_logs = all(isinstance(one, str | Path) for one in what)
        things = [folder / one for one in what] if are_logs else what
        chosen = _options(request, cx_options, options)
        return rehearsed(rules_from(rules, folder), things, **chosen)

    return rehearse


@pytest.fixture
def cx_golden(request: pytest.FixtureRequest) -> Golden:
    """Compares readings with a stored file, byte by byte: ``cx_golden(readings, "march.jsonl")``.

    The path is relative to the test's file. ``tolerance="1%"`` (or ``0.01``) allows for value,
    low, high, previous and change, and ``ignore=("revision",)`` leaves fields out. With
    ``--cx-update-golden`` the file is written, and what differed is shown; look at it before you
    commit it.
    """
    from processor.replay.comparison import Tolerance
    from processor.testing.golden import differences, read_rows, write_golden

    def golden(
        readings: "Sequence[Row]",
        file: "str | os.PathLike[str]",
        *,
        tolerance: str | float = "0",
        ignore: "Collection[str]" = (),
    ) -> None:
        path = request.path.parent / file
        updates: bool = request.config.getoption(_UPDATE)
        if not path.exists():
            if not updates:
                pytest.fail(
                    f"there is no golden file {path}: run pytest with --cx-update-golden, "
                    "look at what it writes, and commit it",
                    pytrace=False,
                )
            said = [f"  {len(readings)} readings, for the first time"]
        else:
            said = differences(
                read_rows(path), readings, tolerance=Tolerance.parse(str(tolerance)), ignore=ignore
            )
        if not said:
            return
        if not updates:
            pytest.fail(
                "\n".join(
                    (
                        f"the readings are not those of {path}:",
                        *said,
                        "if they are right, run pytest with --cx-update-golden",
                    )
                ),
                pytrace=False,
            )
        request.node.user_properties.append((_PROPERTY, "\n".join((f"{path} written:", *said))))
        write_golden(path, readings)

    return golden


def _options(
    request: pytest.FixtureRequest, common: "dict[str, Any]", options: "dict[str, Any]"
) -> "dict[str, Any]":
    """All options, the nearest last; modules are found beside the test's file."""
    marks = [mark.kwargs for mark in request.node.iter_markers(_MARKER)]
    chosen: dict[str, Any] = dict(common)
    for one in (*reversed(marks), options):
        chosen |= one
    if modules := chosen.get("modules"):
        chosen["modules"] = [
            request.path.parent / module if str(module).endswith(".py") else module
            for module in modules
        ]
    return chosen
