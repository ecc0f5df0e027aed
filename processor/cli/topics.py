"""``cxpulse topics``: creates what is missing."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs: the others start sooner

import typer

from processor.cli.terminal import say

topics = typer.Typer(
    help="The topics in Kafka.\n\nExample: cxpulse topics create",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@topics.callback()
def _topics() -> None:
    """Keeps ``create`` a command of its own, though it is the only one."""


@topics.command()
def create() -> None:
    """Create the topics that are missing, and print their names; what exists is never changed.

    Example: CX_KAFKA__BOOTSTRAP=127.0.0.1:9092 cxpulse topics create
    """
    import asyncio

    from processor.cli.servers import await_topics
    from processor.settings import load_settings
    from processor.streaming.kafka import client_options
    from processor.streaming.topics import create_missing, topic_plans

    settings = load_settings()
    kafka, alerting = settings.kafka, settings.alerting

    async def create_and_see() -> list[str]:
        created = await create_missing(kafka, client_options(kafka), alerting)
        await await_topics(kafka, created, alerting)
        return created

    created = asyncio.run(create_and_see())
    for name in created:
        typer.echo(name)
    say(f"{len(created)} created, {len(topic_plans(kafka, alerting)) - len(created)} were there")
