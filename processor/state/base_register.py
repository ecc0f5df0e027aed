"""The register of snapshots in Redis: what all workers' partitions of a base tell one another."""

from redis.asyncio import Redis

from processor.core.base_register import Answer, Inquiry, Knot
from processor.core.bases import Subject
from processor.state.keys import Keys
from processor.state.scripts import Script, source


class BaseRegister:
    """As `processor.core.base_register.LocalRegister`, for all workers.

    Args:
        redis: a client with bounded time-outs.
        keys: key names of the deployment.
        detail_ms: how far the horizon stays behind the slowest partition.
        too_late_ms: events further behind the fastest partition are not waited for.
    """

    def __init__(self, redis: Redis, keys: Keys, *, detail_ms: int, too_late_ms: int) -> None:
        self._keys = keys
        self._detail_ms = detail_ms
        self._too_late_ms = too_late_ms
        self._settle = Script(redis, source("bases"))

    async def settle(self, partition: str, inquiry: Inquiry, partitions: int) -> Answer:
        """Take in what a partition tells, and answer it; telling it twice does no harm.

        Args:
            partition: its name.
            inquiry: what it tells and asks.
            partitions: how many there are: the horizon waits until all have told their clocks. 0
                where that is not known: it waits.

        Raises:
            redis.exceptions.RedisError: Redis did not do it, or did not say so.
        """
        announced = [_encoded(knot) for knot in inquiry.announced]
        horizon_ms, version, *knots = await self._settle(
            keys=self._keys.bases(inquiry.base),
            args=[
                partition,
                partitions,
                inquiry.clock_ms,
                self._detail_ms,
                self._too_late_ms,
                inquiry.since,
                len(announced),
                *announced,
                *map(_encoded, inquiry.forgotten),
            ],
        )
        return Answer(int(horizon_ms), [_decoded(knot) for knot in knots], int(version))


def _encoded(knot: Knot) -> str:
    subject, at_ms = knot
    return f"{subject.series}|{subject.account}|{at_ms}"


def _decoded(member: bytes) -> Knot:
    # The name of a series has its values percent-encoded: no bar is among them.
    series, account, at_ms = member.decode().split("|")
    return Subject(series, account), int(at_ms)
