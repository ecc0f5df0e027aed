"""The agents: one for each counted event type, each a plain loop over batches."""

from collections.abc import AsyncIterable, Awaitable, Callable, Mapping

from mode import CrashingSupervisor

from processor.streaming.fetching import RecordBatch
from processor.streaming.transport import BatchingApp, RawSchema
from schemas.events import EventType

Process = Callable[[RecordBatch], Awaitable[None]]


def register_agents(app: BatchingApp, topics: Mapping[str, EventType], process: Process) -> None:
    """Give every batch topic its agent.

    One at a time: the order of a partition's batches is what its counts rest on. An agent that
    fails ends the worker: Faust would start it again for ever, over a batch that is half counted.
    """
    for topic, event_type in topics.items():

        async def count(batches: AsyncIterable[RecordBatch]) -> None:
            async for batch in batches:
                await process(batch)

        channel = app.topic(topic, schema=RawSchema())
        app.agent(
            channel,
            name=f"count-{event_type}",
            concurrency=1,
            supervisor_strategy=CrashingSupervisor,
        )(count)
