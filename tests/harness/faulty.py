"""The worker's command with a fault in it: ``python -m tests.harness.faulty FAULT``.

Each fault happens once events arrive, so that the worker is ready before. What is replaced is a
function of ours; the process, its loop and its threads are real.
"""

import asyncio
import sys
import time
from collections.abc import Callable
from typing import Any, Final

from processor.cli import main
from processor.state.partition import PartitionStore
from processor.streaming.fetching import BatchConsumerThread, RecordBatch
from processor.streaming.partitions import Partitions
from processor.streaming.publisher import Publisher

FAULTS: Final[dict[str, Callable[[], None]]] = {}

BROKEN: Final = "broken on purpose"


def fault(inject: Callable[[], None]) -> Callable[[], None]:
    """Registers a fault by its function's name."""
    FAULTS[inject.__name__] = inject
    return inject


class BrokenError(Exception):
    """Nothing that the worker expects."""


def replace(owner: Any, name: str, by: Callable[..., Any]) -> None:
    setattr(owner, name, by)


@fault
def blocked_loop() -> None:
    async def process(self: Partitions, batch: RecordBatch) -> None:
        time.sleep(3600)  # noqa: ASYNC251 - the fault

    replace(Partitions, "process", process)


@fault
def stuck_agent() -> None:
    async def process(self: Partitions, batch: RecordBatch) -> None:
        await asyncio.Event().wait()

    replace(Partitions, "process", process)


@fault
def lost_batch() -> None:
    async def process(self: Partitions, batch: RecordBatch) -> None:
        pass

    replace(Partitions, "process", process)


@fault
def dead_fetcher() -> None:
    async def fetch(self: BatchConsumerThread, *args: Any, **kwargs: Any) -> dict[Any, Any]:
        await asyncio.sleep(0.1)
        return {}

    replace(BatchConsumerThread, "_fetch_records", fetch)


@fault
def stuck_flush() -> None:
    async def flush(self: PartitionStore, *args: Any, **kwargs: Any) -> None:
        await asyncio.Event().wait()

    replace(PartitionStore, "flush", flush)


@fault
def broken_agent() -> None:
    async def process(self: Partitions, batch: RecordBatch) -> None:
        raise BrokenError(BROKEN)

    replace(Partitions, "process", process)


@fault
def broken_flush() -> None:
    async def flush(self: PartitionStore, *args: Any, **kwargs: Any) -> None:
        raise BrokenError(BROKEN)

    replace(PartitionStore, "flush", flush)


@fault
def broken_publisher() -> None:
    async def tick(self: Publisher) -> int:
        raise BrokenError(BROKEN)

    replace(Publisher, "tick", tick)


if __name__ == "__main__":
    FAULTS[sys.argv[1]]()
    sys.exit(main(["worker"]))
