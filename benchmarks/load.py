"""A load that does not wait for whom it loads: ``python -m benchmarks.load``, a process of its own.

Which event is sent when is fixed beforehand, and made beforehand. Events are meant for evenly
spaced times, and what is meant for one slot of 5 ms goes out at its end, as a producer with
``linger.ms=5`` sends it, with what came due while the broker was busy with the batch before. A
broker or a worker that stalls delays no later event's intended time, and latencies are counted from
there. A generator that waits for answers sends less while the system stalls, and leaves the worst
out: *coordinated omission* (Tene, G. (2013), "How NOT to Measure Latency").

A few events of each partition are *probes*, with a channel of their own, ``probe-<partition>``. A
partition's events are counted in order, so the reading of that channel whose ``n`` reaches *k* is
the first that includes the *k*-th probe.
"""

import argparse
import asyncio
import gc
import json
import random
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import uvloop
from aiokafka import AIOKafkaProducer

from schemas.timestamps import format_rfc3339

if TYPE_CHECKING:
    from aiokafka.producer.message_accumulator import BatchBuilder

SENDING: Final = "sending"
"""What is printed before the first event is sent."""

SLOT_S: Final = 0.005
PROBES_PER_S: Final = 50.0
"""Of each partition, where it has that many events."""

CHANNELS: Final = ("email", "web", "app", "sms", "phone")
PRODUCTS: Final = ("basic", "plus", "pro", "team")

_LEAD_S: Final = 0.3
_BATCH_BYTES: Final = 1_000_000
_BATCH_FULL: Final = 800_000
"""Records have some bytes around them."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be sent when.

    Attributes:
        rate: events a second, of all partitions together.
        seconds: how long.
        partitions: take turns.
    """

    rate: float
    seconds: float
    partitions: int = 4

    def __post_init__(self) -> None:
        if self.rate <= 0 or self.seconds <= 0 or self.partitions < 1:
            raise ValueError("a plan needs a rate, a time, and a partition")

    @property
    def count(self) -> int:
        """How many events there are."""
        return round(self.rate * self.seconds)

    @property
    def probe_every(self) -> int:
        """Each so many-th event of a partition is a probe."""
        return max(1, round(self.rate / self.partitions / PROBES_PER_S))

    def partition_of(self, number: int) -> int:
        """The partition of an event."""
        return number % self.partitions

    def intended_s(self, number: int) -> float:
        """When an event is meant to be sent, after the start."""
        return number / self.rate

    def is_probe(self, number: int) -> bool:
        """Whether an event is a probe."""
        return number // self.partitions % self.probe_every == 0

    def slot_of(self, number: int) -> int:
        """The slot at whose end an event is sent."""
        return int(self.intended_s(number) / SLOT_S)

    def probes(self) -> dict[int, int]:
        """How many probes each partition has."""
        found = dict.fromkeys(range(self.partitions), 0)
        for number in range(self.count):
            if self.is_probe(number):
                found[self.partition_of(number)] += 1
        return found


def answers(plan: Plan, base_ms: int, seed: int = 1) -> Iterator[tuple[int, bytes]]:
    """The events of a plan with their numbers: NPS answers from ``base_ms`` on, ids never repeated.

    Every run has ids of its own; the rest follows from the seed.
    """
    rng, unique = random.Random(seed), uuid.uuid4().hex[:20]
    stamped_ms, stamp = -1, ""
    for number in range(plan.count):
        at_ms = base_ms + int(plan.intended_s(number) * 1000)
        if at_ms != stamped_ms:
            stamped_ms, stamp = at_ms, format_rfc3339(at_ms)
        if plan.is_probe(number):
            channel = f"probe-{plan.partition_of(number)}"
        else:
            channel = rng.choice(CHANNELS)
        yield (
            number,
            b'{"type":"survey_response","event_id":"%s-%012x","occurred_at":"%s",'
            b'"customer_id":"c%d","survey":"nps","score":%d,'
            b'"dimensions":{"channel":"%s","product":"%s"}}'
            % (
                unique.encode(),
                number,
                stamp.encode(),
                rng.randrange(100_000),
                rng.randrange(11),
                channel.encode(),
                rng.choice(PRODUCTS).encode(),
            ),
        )


@dataclass(slots=True)
class _Slot:
    """What one partition gets at the end of one slot."""

    number: int
    records: list[bytes] = field(default_factory=list)
    probes: list[tuple[int, int]] = field(default_factory=list)
    """The event's number and its place in the slot."""


def _prepare(plan: Plan) -> dict[int, list[_Slot]]:
    base_ms = time.time_ns() // 1_000_000
    slots: dict[int, list[_Slot]] = {p: [] for p in range(plan.partitions)}
    for number, record in answers(plan, base_ms):
        slot, of_partition = plan.slot_of(number), slots[plan.partition_of(number)]
        if not of_partition or of_partition[-1].number != slot:
            of_partition.append(_Slot(slot))
        if plan.is_probe(number):
            of_partition[-1].probes.append((number, len(of_partition[-1].records)))
        of_partition[-1].records.append(record)
    return slots


@dataclass(slots=True)
class _Sending:
    """One run, while it is under way."""

    plan: Plan
    topic: str
    producer: AIOKafkaProducer
    start_ns: int = 0

    async def run(self, slots: dict[int, list[_Slot]]) -> list[dict[str, int]]:
        """Send everything at its time; what became of the probes, in order of intended times."""
        self.start_ns = time.monotonic_ns() + int(_LEAD_S * 1e9)
        found = await asyncio.gather(*(self._send(p, mine) for p, mine in slots.items()))
        return sorted((probe for part in found for probe in part), key=lambda p: p["intended_ns"])

    def _due_ns(self, slot: _Slot) -> int:
        return self.start_ns + int((slot.number + 1) * SLOT_S * 1e9)

    async def _send(self, partition: int, slots: list[_Slot]) -> list[dict[str, int]]:
        """Send each slot at its end: with those that came due while the one before was queued."""
        followed: list[asyncio.Task[list[dict[str, int]]]] = []
        at = 0
        while at < len(slots):
            await asyncio.sleep(max(0.0, (self._due_ns(slots[at]) - time.monotonic_ns()) / 1e9))
            batch, places = self.producer.create_batch(), []
            now_ns = time.monotonic_ns()
            first = at
            while at < len(slots) and (at == first or self._due_ns(slots[at]) <= now_ns):
                if at > first and batch.size() + sum(map(len, slots[at].records)) > _BATCH_FULL:
                    break
                places.append((slots[at], batch.record_count()))
                self._append(batch, slots[at])
                at += 1
            sent = await self.producer.send_batch(batch, self.topic, partition=partition)
            followed.append(asyncio.create_task(self._follow(partition, places, sent, now_ns)))
        return [probe for part in await asyncio.gather(*followed) for probe in part]

    @staticmethod
    def _append(batch: "BatchBuilder", slot: _Slot) -> None:
        for record in slot.records:
            if batch.append(key=None, value=record, timestamp=None) is None:
                raise SystemExit(f"a slot of {SLOT_S} s does not fit {_BATCH_BYTES} bytes")

    async def _follow(
        self, partition: int, places: list[tuple[_Slot, int]], sent: Any, now_ns: int
    ) -> list[dict[str, int]]:
        acknowledged = await sent
        acknowledged_ns = time.monotonic_ns()
        return [
            {
                "partition": partition,
                "offset": acknowledged.offset + before + place,
                "intended_ns": self.start_ns + int(self.plan.intended_s(number) * 1e9),
                "late_ns": now_ns - self._due_ns(slot),
                "acknowledged_ns": acknowledged_ns,
            }
            for slot, before in places
            for number, place in slot.probes
        ]


async def send(
    plan: Plan, bootstrap: str, topic: str, made: Callable[[], None] = lambda: None
) -> dict[str, Any]:
    """Send a plan's events, each at its time, whatever becomes of the ones before.

    Args:
        plan: what is sent when.
        bootstrap: the broker.
        topic: has the plan's partitions.
        made: called when everything is made and nothing is sent yet.

    Returns:
        Of each probe its partition, offset, intended time, how late its slot was handed to the
        producer and when the broker acknowledged it, by the monotonic clock; and the CPU seconds
        that sending took.
    """
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, compression_type="lz4", max_batch_size=_BATCH_BYTES
    )
    await producer.start()
    try:
        slots = _prepare(plan)
        made()
        sending, cpu_s = _Sending(plan, topic, producer), time.process_time()
        probes = await sending.run(slots)
        return {"probes": probes, "events": plan.count, "cpu_s": time.process_time() - cpu_s}
    finally:
        await producer.stop()


def _start() -> None:
    gc.collect()
    gc.freeze()
    gc.disable()  # a collection would be a stall of the generator
    print(SENDING, flush=True)


def main() -> None:
    """Make the load, send it, and print what became of the probes as a line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=main.__doc__)
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--rate", type=float, required=True, help="events a second")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--partitions", type=int, default=4)
    options = parser.parse_args()
    plan = Plan(options.rate, options.seconds, options.partitions)
    json.dump(uvloop.run(send(plan, options.bootstrap, options.topic, _start)), sys.stdout)


if __name__ == "__main__":
    main()
