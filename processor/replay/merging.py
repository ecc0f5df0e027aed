"""Several logs as one, by event time."""

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence

from processor.replay.log import LogError, Position, read_log
from processor.replay.selection import PlacedLine, Sieve


def merged(
    paths: Sequence[str],
    sieve: Sieve,
    *,
    lines_per_chunk: int,
    now_ms: Callable[[], int],
    failures: list[LogError],
    position: Position | None = None,
) -> Iterator[PlacedLine]:
    """The lines of all logs, by the event clock that each log has when it comes to them.

    Every log keeps its own order, with its disorder. Logs that follow one another in time come
    out one after another.

    Args:
        paths: the logs; each is held open until its end.
        sieve: validates and selects.
        lines_per_chunk: how many lines of a log are held at once.
        now_ms: the time that events may not be far ahead of.
        failures: what went wrong with a log is appended here, and the others go on.
        position: is moved on by what is read of any log.
    """

    def sifted(path: str, index: int) -> Iterator[PlacedLine]:
        try:
            chunks = read_log(path, lines_per_chunk=lines_per_chunk, position=position)
            for chunk in chunks:
                yield from sieve.sift(chunk, index, now_ms())
        except LogError as error:
            failures.append(error)

    if len(paths) == 1:
        yield from sifted(paths[0], 0)
        return
    for _, line in heapq.merge(*(_clocked(sifted(p, i)) for i, p in enumerate(paths))):
        yield line


def _clocked(
    lines: Iterable[PlacedLine],
) -> Iterator[tuple[tuple[int, int, int], PlacedLine]]:
    clock_ms = 0
    for line in lines:
        clock_ms = max(clock_ms, line.time_ms)
        yield (clock_ms, line.log, line.number), line
