"""``cxpulse doctor``: what is wrong with a deployment, and what to do about it."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs: the others start sooner

import typer

from processor.cli.errors import CommandError
from processor.cli.terminal import say


def doctor() -> None:
    """Check configuration, Kafka, topics, Redis and clocks; say what to do, exit 1 if any fails.

    Example: CX_REDIS__URL=redis://cache:6379/0 cxpulse doctor
    """
    import asyncio

    from processor.cli.checks import Verdict, check_configuration, check_servers

    failed = 0

    def tell(verdict: Verdict) -> None:
        nonlocal failed
        failed += not verdict.ok
        typer.echo(f"{'ok' if verdict.ok else 'FAIL':<6}{verdict.subject:<16}{verdict.finding}")

    settings, verdict = check_configuration()
    tell(verdict)
    if settings is not None:

        async def rest() -> None:
            async for found in check_servers(settings):
                tell(found)

        asyncio.run(rest())
    if failed:
        raise CommandError(f"{failed} of the checks failed: see the lines marked FAIL")
    say("all is well")
