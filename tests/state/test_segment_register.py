"""Segments are admitted once for all workers, whichever of them asks, and after any restart."""

from redis.asyncio import Redis

from processor.core.segments import Segmentation
from processor.state.keys import Keys
from processor.state.partition import SegmentRegister

SETS = (("channel",),)
CAP = 3


class _Asker:
    """One worker's segmentation and its way to the register."""

    def __init__(self, redis: Redis, prefix: str, cap: int = CAP) -> None:
        self.segmentation = Segmentation(SETS, cap)
        self._register = SegmentRegister(redis, Keys(prefix), self.segmentation.sets, cap)

    async def sees(self, *channels: str) -> list[str]:
        """The series that these values count in."""
        values = [(channel,) for channel in channels]
        for index, keys in self.segmentation.unknown(values).items():
            admitted, full = await self._register.admit(index, keys)
            self.segmentation.learn(index, admitted, full=full)
        return [self.segmentation.series(v)[1].removeprefix("channel=") for v in values]


async def test_the_first_values_keep_their_own_whoever_asks(redis: Redis, prefix: str) -> None:
    first, second = _Asker(redis, prefix), _Asker(redis, prefix)
    assert await first.sees("a", "b") == ["a", "b"]
    assert await second.sees("c", "d") == ["c", "__other__"]
    assert await first.sees("d", "c", "b") == ["__other__", "c", "b"]


async def test_a_worker_that_starts_with_a_new_value_knows_the_segments_of_before(
    redis: Redis, prefix: str
) -> None:
    """The first value that a restarted worker meets must not make all others ``__other__``.

    ::

        first     a b c | full
        second            d -> __other__     a b c -> as before
    """
    assert await _Asker(redis, prefix).sees("a", "b", "c") == ["a", "b", "c"]
    restarted = _Asker(redis, prefix)
    assert await restarted.sees("d") == ["__other__"]
    assert await restarted.sees("a", "b", "c") == ["a", "b", "c"]


async def test_a_hundred_thousand_values_at_once(redis: Redis, prefix: str) -> None:
    asker = _Asker(redis, prefix, cap=1000)
    series = await asker.sees(*(f"v{n}" for n in range(100_000)))
    assert series[:1000] == [f"v{n}" for n in range(1000)]
    assert set(series[1000:]) == {"__other__"}


async def test_a_lower_cap_takes_nothing_back(redis: Redis, prefix: str) -> None:
    assert await _Asker(redis, prefix).sees("a", "b", "c") == ["a", "b", "c"]
    lowered = _Asker(redis, prefix, cap=1)
    assert await lowered.sees("c", "d", "a") == ["c", "__other__", "a"]
