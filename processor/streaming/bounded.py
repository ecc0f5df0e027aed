"""Bounds on waiting for Kafka.

aiokafka bounds each request, but several of its calls try again for as long as it takes: to start
an idempotent producer, to end a transaction, to commit offsets, to stop with something unsent.
"""

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaTimeoutError

from processor.state.cancelling import cancel_until_done

_T = TypeVar("_T")

_GIVE_UP_S: Final = 1.0


async def within(seconds: float, work: Coroutine[Any, Any, _T], what: str) -> _T:
    """Wait for work; end it for certain when it takes too long or nobody waits any more.

    ``asyncio.wait_for`` cancels once and then waits for ever for work that tidies up by asking
    the same broker that does not answer: a transaction that is aborted does.

    Args:
        seconds: how long it may take.
        work: what is waited for.
        what: it is, for the message.

    Raises:
        TimeoutError: it took too long.
    """
    task = asyncio.create_task(work)
    try:
        if not (await asyncio.wait([task], timeout=seconds))[0]:
            raise TimeoutError(f"{what} took more than {seconds:g} s")
        return task.result()
    finally:
        await cancel_until_done([task])
        if not task.cancelled():
            task.exception()  # seen: nothing complains that nobody looked at it


async def start_producer(producer: AIOKafkaProducer, within_s: float) -> None:
    """Start a producer; one that does not start leaves nothing behind.

    Raises:
        aiokafka.errors.KafkaError: the broker is away or refuses.
        TimeoutError: it took too long.
    """
    try:
        await within(within_s, producer.start(), "starting a producer")
    except BaseException as error:
        with contextlib.suppress(TimeoutError):  # why it did not start is what matters
            await stop_producer(producer, _GIVE_UP_S)
        if isinstance(error, AssertionError):
            # A broker that has not found its place again says that there is no broker; aiokafka
            # takes that for a mistake of its own, and it is over in a moment.
            raise KafkaConnectionError("the broker knows of no broker yet") from error
        raise


async def stop_producer(producer: AIOKafkaProducer, within_s: float) -> None:
    """Send what is under way and disconnect; after a while give it up, and leave nothing behind.

    Raises:
        TimeoutError: what was under way was given up.
    """
    try:
        await within(within_s, producer.stop(), "stopping a producer")
    except TimeoutError:
        await _abandon(producer)
        raise


async def _abandon(producer: AIOKafkaProducer) -> None:
    """End the tasks of a producer that could not be stopped.

    They would try for as long as the process lives, and send when the broker is back: what others
    have long sent themselves.
    """
    accumulator = producer._message_accumulator  # noqa: SLF001 - stop() waits for it to be empty
    batches = [batch for queue in accumulator._batches.values() for batch in queue]  # noqa: SLF001
    accumulator.fail_all(KafkaTimeoutError("given up at the stop of its producer"))
    for batch in batches:
        batch._drain_waiter.exception()  # noqa: SLF001 - seen: nobody else looks at it
    sending = producer._sender.sender_task  # noqa: SLF001 - stop() waits for it, too
    if sending is not None:
        sending.cancel()
    for connection in list(producer.client._conns.values()):  # noqa: SLF001 - ends their requests
        connection.close()
    leaving = [asyncio.ensure_future(producer.client.close())]
    leaving += [] if sending is None else [sending]
    await asyncio.wait(leaving, timeout=_GIVE_UP_S)
    await cancel_until_done(leaving)
