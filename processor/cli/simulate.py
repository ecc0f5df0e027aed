"""``cxpulse simulate``: believable events, to Kafka or a file."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs: the others start sooner

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from processor.cli.errors import UsageError
from processor.cli.options import Wait, instant_ms, seconds
from processor.cli.terminal import say

if TYPE_CHECKING:
    from processor.settings import Settings

Events = Iterable[dict[str, Any]]


def simulate(
    *,
    rate: Annotated[float, typer.Option(help="mean events per second")] = 1000.0,
    seed: Annotated[int, typer.Option(help="the same seed gives the same events")] = 7,
    duration: Annotated[str | None, typer.Option(help="e.g. 60s; default: until ctrl-c")] = None,
    incident: Annotated[
        list[str] | None,
        typer.Option(help="what goes wrong: NAME@START[+DURATION][[dim=value]]; repeatable"),
    ] = None,
    type_: Annotated[
        list[str] | None, typer.Option("--type", help="only this event type; repeatable")
    ] = None,
    mix: Annotated[
        str | None, typer.Option(help="shares of event types: session=3,purchase=1")
    ] = None,
    start: Annotated[
        str | None, typer.Option(help="event time of the start, RFC 3339; default: now")
    ] = None,
    jitter: Annotated[str, typer.Option(help="how late events may come, e.g. 5s")] = "0s",
    steady: Annotated[bool, typer.Option(help="no quieter nights and busier days")] = False,
    out: Annotated[
        Path | None, typer.Option(help="an event log file, - for stdout; default: to Kafka")
    ] = None,
    backfill: Annotated[
        str | None, typer.Option(help="first this much history up to now, as fast as it goes")
    ] = None,
    backfill_rate: Annotated[float, typer.Option(help="events per second of the history")] = 6.0,
    wait: Wait = None,
) -> None:
    """Believable events of every type, the same for the same seed; to Kafka or a file.

    To Kafka they go at the pace at which they happen, to a file as fast as they can be written.

    Incidents, each for a few minutes unless told, for events with the given dimensions only:

    \b
    nps-drop         fewer promoters, more detractors
    csat-drop        half as many are satisfied
    ctr-drop         a fifth of the clicks
    bounce-spike     twice as many leave after one page
    cart-trouble     an eighth of the orders from carts
    refund-wave      ten times the refunds
    slow-support     answers and solutions take five times as long
    churn-wave       customers leave a hundred times as often
    bad-press        mentions and comments surge, followers go
    outage           no sessions at all
    duplicate-storm  events are sent again; no metric moves
    poison           events that break the contract; no metric moves

    Example: cxpulse simulate --rate 1000 --seed 7 --duration 60s --incident nps-drop@30s
    """  # noqa: D301 - the character, not its escape, tells the help to keep these lines apart
    import time

    plan: dict[str, Any] = {
        "seed": seed,
        "rate": rate,
        "duration_s": None if duration is None else seconds(duration, "--duration"),
        "mix": _mix(mix, type_),
        "jitter_s": seconds(jitter, "--jitter"),
        "daily_rhythm": not steady,
        "incidents": _incidents(incident or []),
    }

    def live() -> Events:
        now_ms = time.time_ns() // 1_000_000
        return _simulated(
            **plan, start_ms=now_ms if start is None else instant_ms(start, "--start")
        )

    if out is not None:
        if duration is None or backfill is not None:
            raise UsageError("--out needs --duration, and has no --backfill: use --start")
        _write(live(), out)
        return

    from processor.settings import load_settings

    history = None
    if backfill is not None:
        span_s = seconds(backfill, "--backfill")
        if span_s <= 0 or backfill_rate <= 0:
            raise UsageError("--backfill and --backfill-rate must be above 0")

        def history() -> Events:
            # Another seed: the live events would repeat the ids of these.
            past = {**plan, "seed": seed + 1, "rate": backfill_rate, "duration_s": span_s}
            begin_ms = time.time_ns() // 1_000_000 - int(span_s * 1000)
            return _simulated(**{**past, "incidents": []}, start_ms=begin_ms)

    live()  # a wrong argument is said before anything is sent
    patience_s = None if wait is None else seconds(wait, "--wait")
    _publish(load_settings(), history, live, patience_s)


def _simulated(**plan: Any) -> Events:
    from processor.simulation import simulate as simulated

    try:
        return simulated(**plan)
    except ValueError as error:
        raise UsageError(str(error)) from None


def _incidents(texts: list[str]) -> list[Any]:
    from processor.simulation import parse_incident

    try:
        return [parse_incident(text) for text in texts]
    except ValueError as error:
        raise UsageError(f"--incident: {error}") from None


def _mix(text: str | None, types: list[str] | None) -> dict[str, float] | None:
    from processor.simulation import DEFAULT_MIX

    shares = dict(DEFAULT_MIX) if text is None else dict(_shares(text))
    if types:
        unknown = [name for name in types if name not in DEFAULT_MIX]
        if unknown:
            raise UsageError(
                f"--type: unknown event type {', '.join(unknown)}; "
                f"there are {', '.join(DEFAULT_MIX)}"
            )
        shares = {name: share for name, share in shares.items() if name in types}
    if not any(shares.values()):
        raise UsageError("--mix and --type leave no event type")
    return shares


def _shares(text: str) -> Iterator[tuple[str, float]]:
    for part in text.split(","):
        name, _, share = part.partition("=")
        try:
            weight = float(share)
        except ValueError:
            raise UsageError(f"--mix: {part!r} is not TYPE=SHARE, such as session=3") from None
        if not 0 <= weight < float("inf"):
            raise UsageError(f"--mix: the share of {name} must be 0 or more")
        yield name.strip(), weight


def _write(events: Events, out: Path) -> None:
    import gzip
    import sys
    from contextlib import ExitStack

    from processor.simulation import encode

    with ExitStack() as stack:
        if str(out) == "-":
            stream: Any = sys.stdout.buffer
        elif out.suffix == ".gz":
            # No name and no time inside: the same events give the same bytes.
            raw = stack.enter_context(out.open("wb"))
            stream = stack.enter_context(gzip.GzipFile("", "wb", fileobj=raw, mtime=0))
        else:
            stream = stack.enter_context(out.open("wb"))
        count = sum(1 for _ in map(stream.write, (encode(event) + b"\n" for event in events)))
    say(f"{count} events")


def _publish(
    settings: "Settings",
    history: Callable[[], Events] | None,
    live: Callable[[], Events],
    patience_s: float | None,
) -> None:
    import asyncio
    import math
    import signal

    from processor.cli.servers import await_servers
    from processor.simulation import publish
    from processor.streaming.kafka import client_options
    from processor.streaming.topics import create_missing

    kafka = settings.kafka
    told = 0

    def progress(sent: int, elapsed_s: float) -> None:
        nonlocal told
        told = sent
        say(f"{sent} events sent in {elapsed_s:.1f} s")

    async def run() -> None:
        options = client_options(kafka)
        del options["bootstrap_servers"]
        if patience_s is not None:
            await await_servers(settings, patience_s)
        await create_missing(kafka, client_options(kafka))
        to_kafka: dict[str, Any] = {
            "bootstrap": kafka.bootstrap,
            "topic_prefix": kafka.topic_prefix,
            "producer_options": options,
        }
        if history is not None:
            sent = await publish(history(), speed=math.inf, **to_kafka)
            say(f"{sent} events of simulated history sent")
        await publish(live(), progress=progress, **to_kafka)

    async def until_told() -> bool:
        task = asyncio.create_task(run())
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, task.cancel)
        try:
            await task
        except asyncio.CancelledError:
            return False
        return True

    if not asyncio.run(until_told()):
        say(f"stopped after {told} events")
