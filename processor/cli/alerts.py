"""``cxpulse alerts``: rules checked and tried on history; what is firing; silences."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs: the others start sooner

from typing import Annotated

import typer

from processor.cli.errors import FAILED, UsageError
from processor.cli.terminal import say

alerts = typer.Typer(
    help="Alert rules and alerts.\n\nExample: cxpulse alerts check",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Json = Annotated[bool, typer.Option("--json", help="JSON, for programs")]


@alerts.command()
def check(*, json: Json = False) -> None:
    """Check the configured rules, and say what each watches; exit 1 if any cannot work.

    Every problem is found at once. A warning is of a rule that works, and will not do what it is
    for: it changes no exit code.

    Example: cxpulse alerts check
    """
    from processor.cli.alerts_rules import as_json, checked_rules, show, summary

    checked = checked_rules()
    if json:
        typer.echo(as_json(checked))
    else:
        show(checked)
    say(summary(checked))
    if checked.problems:
        raise typer.Exit(FAILED)


@alerts.command("test")
def try_on_history(
    more_logs: Annotated[
        list[str] | None, typer.Argument(metavar="[LOG]…", help="as --log", show_default=False)
    ] = None,
    *,
    log: Annotated[
        list[str] | None,
        typer.Option(metavar="LOG", help=".jsonl, .jsonl.gz, .jsonl.zst, .parquet, or - for stdin"),
    ] = None,
    rule: Annotated[
        list[str] | None, typer.Option(help="only the rule of this name; repeatable")
    ] = None,
    from_: Annotated[
        str | None, typer.Option("--from", help="the earliest occurred_at, RFC 3339")
    ] = None,
    to: Annotated[str | None, typer.Option(help="the end of occurred_at, not included")] = None,
    every: Annotated[
        str | None,
        typer.Option(help="event time between evaluations; default: 10s to 1m, as windows slide"),
    ] = None,
    now: Annotated[
        str | None, typer.Option(help="what events may not be far ahead of; default: the clock")
    ] = None,
    expect: Annotated[
        list[str] | None,
        typer.Option(metavar="RULE", help="exit 1 unless this rule fires; repeatable"),
    ] = None,
    expect_none: Annotated[
        bool, typer.Option("--expect-none", help="exit 1 if a rule fires that --expect names not")
    ] = False,
    show: Annotated[int, typer.Option(min=0, help="how many alerts to show")] = 50,
    json: Annotated[bool, typer.Option("--json", help="one JSON object instead")] = False,
) -> None:
    """Try the configured rules on event logs: when each would have fired, and for how long.

    Nothing is sent to anybody, and no server is needed. Times are the events' own.

    Example: cxpulse alerts test --log march.jsonl.gz --rule "NPS low" --expect-none
    """
    from processor.cli.alerts_test import Expected, Shape, try_rules
    from processor.cli.options import instant_ms
    from processor.cli.replay_options import duration_ms, selection_of

    logs = [*(log or []), *(more_logs or [])]
    if not logs:
        raise UsageError("name at least one log: --log FILE")
    try_rules(
        logs,
        names=rule or [],
        selection=selection_of(from_, to, [], []),
        every_ms=duration_ms(every, "--every"),
        now_ms=None if now is None else instant_ms(now, "--now"),
        expected=Expected(tuple(expect or ()), nothing_else=expect_none),
        shape=Shape(json=json, show=show),
    )


@alerts.command("list")
def list_alerts(
    *,
    all_: Annotated[
        bool, typer.Option("--all", help="also those resolved within the last 24 h of event time")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="a JSON object each")] = False,
) -> None:
    """What is firing and what is pending, with the value, since when, and who silenced it.

    Example: cxpulse alerts list --all
    """
    import asyncio

    from processor.cli.alerts_live import show_alerts
    from processor.settings import load_settings

    asyncio.run(show_alerts(load_settings(), resolved=all_, json=json))


@alerts.command()
def silence(
    *,
    rule: Annotated[str | None, typer.Option(help="only alerts of the rule of this name")] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(help="only alerts with this label or dimension, name=value; repeatable"),
    ] = None,
    for_: Annotated[
        str | None, typer.Option("--for", metavar="DURATION", help="how long, by the clock: 2h")
    ] = None,
    comment: Annotated[str, typer.Option(help="why, for others")] = "",
    author: Annotated[
        str | None, typer.Option(help="who, for others; default: the name of this user")
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="show those in force")] = False,
    remove: Annotated[
        str | None, typer.Option(metavar="ID", help="end one before its time")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="a JSON object each")] = False,
) -> None:
    """Tell nobody of some alerts for a while; they are decided and shown all the same.

    With --list and --remove: look at silences, and end them.

    Example: cxpulse alerts silence --rule "NPS low" --label channel=email --for 2h --comment moving
    """
    import asyncio

    from processor.cli.alerts_live import (
        Wanted,
        add_silence,
        labels_of,
        remove_silence,
        show_silences,
        until_of,
    )
    from processor.settings import load_settings

    chosen = [
        name
        for name, given in (
            ("--for", for_ is not None),
            ("--list", list_),
            ("--remove", remove is not None),
        )
        if given
    ]
    if len(chosen) != 1:
        raise UsageError(
            "say for how long with --for, or look at silences with --list, or end one with "
            f"--remove: found {' and '.join(chosen) or 'none of them'}"
        )
    matching = rule is not None or bool(label)
    if for_ is None and matching:
        raise UsageError(f"--rule and --label go with --for, not with {chosen[0]}")
    if remove is not None:
        asyncio.run(remove_silence(load_settings(), remove))
    elif for_ is None:
        asyncio.run(show_silences(load_settings(), json=json))
    elif not matching:
        raise UsageError(
            "name what to silence: --rule or --label, such as --label severity=warning"
        )
    else:
        wanted = Wanted(rule, labels_of(label or []), until_of(for_), comment, author)
        asyncio.run(add_silence(load_settings(), wanted, json=json))


@alerts.command()
def undelivered(
    *,
    receiver: Annotated[
        str | None, typer.Option(help="only notifications for the receiver of this name")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="a JSON object each")] = False,
) -> None:
    """Notifications that a receiver refused or could not be told in time, and why: newest first.

    The last 1,000 are kept.

    Example: cxpulse alerts undelivered --receiver pager
    """
    import asyncio

    from processor.cli.alerts_undelivered import show_undelivered
    from processor.settings import load_settings

    asyncio.run(show_undelivered(load_settings(), receiver=receiver, json=json))
