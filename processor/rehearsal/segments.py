"""Which segments are kept apart where there are more than may be: the first in the log."""

from collections.abc import Iterable

from pydantic_core import from_json

from processor.core.segments import SegmentSet
from processor.state.partition import SegmentRegister
from schemas.readings import segment_key


class Admission:
    """Admits segments in the order of sending, where not all of them fit.

    Workers admit a segment when they first write it. Where all fit it makes no difference who is
    first; else it has to be the order of the log, and not the order in which partitions write.

    Args:
        register: where segments are admitted for all workers.
        sets: the segment sets.
        cap: the most segments a set may have.
    """

    def __init__(self, register: SegmentRegister, sets: Iterable[SegmentSet], cap: int) -> None:
        self._register = register
        self._cap = cap
        self._seen: dict[int, tuple[SegmentSet, dict[str, None]]] = {
            index: (names, {}) for index, names in enumerate(sets)
        }

    async def admit(self, lines: Iterable[bytes]) -> None:
        """Look at valid events before they are sent.

        Raises:
            redis.exceptions.RedisError: Redis is away or refuses.
        """
        if not self._seen:
            return
        for line in lines:
            dimensions = from_json(line).get("dimensions") or {}
            for names, seen in self._seen.values():
                if len(seen) <= self._cap and all(name in dimensions for name in names):
                    seen[segment_key({name: dimensions[name] for name in names})] = None
        for index in [i for i, (_, seen) in self._seen.items() if len(seen) > self._cap]:
            _, seen = self._seen.pop(index)
            await self._register.admit(index, list(seen))
