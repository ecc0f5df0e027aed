"""What changed lately, so that a client that was away is sent what it missed."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

UPDATES_MAX: Final = 1_000
KEYS_MAX: Final = 500_000
"""Keys in all updates together: some 4 MB of references."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the stream of updates, as clients are told it.

    Attributes:
        revision: the latest tick that the client has seen.
        entry_id: the last update that it has.
    """

    revision: int
    entry_id: str

    def __str__(self) -> str:
        return f"{self.revision}-{self.entry_id}"

    @classmethod
    def parse(cls, text: str) -> "Place | None":
        """A place as it was told; ``None`` where the text is none.

        Examples:
            >>> Place.parse("17-1700000000000-0")
            Place(revision=17, entry_id='1700000000000-0')
        """
        revision, _, entry_id = text.partition("-")
        parts = (revision, *entry_id.split("-"))
        if len(parts) != 3 or not all(p.isascii() and p.isdigit() and len(p) < 20 for p in parts):  # noqa: PLR2004 - the three parts of a place
            return None
        return cls(int(revision), entry_id)


@dataclass(frozen=True, slots=True)
class _Kept:
    place: Place
    keys: tuple[str, ...]


class Ring:
    """The keys that changed in each of the last updates, bounded in updates and in keys."""

    def __init__(self, updates_max: int = UPDATES_MAX, keys_max: int = KEYS_MAX) -> None:
        self._updates_max = updates_max
        self.keys_max = keys_max
        self._kept: deque[_Kept] = deque()
        self._keys = 0

    def clear(self) -> None:
        """Forget everything: what was missed is not known any more."""
        self._kept.clear()
        self._keys = 0

    def add(self, place: Place, keys: Iterable[str]) -> None:
        """Remember an update that follows the last one."""
        kept = _Kept(place, tuple(keys))
        self._kept.append(kept)
        self._keys += len(kept.keys)
        while len(self._kept) > self._updates_max or (
            self._keys > self.keys_max and len(self._kept) > 1
        ):
            self._keys -= len(self._kept.popleft().keys)

    def since(self, place: Place) -> set[str] | None:
        """The keys that changed behind a place; ``None`` where that is not known any more."""
        changed: set[str] = set()
        for kept in reversed(self._kept):
            if kept.place.entry_id == place.entry_id:
                return changed if place.revision >= kept.place.revision else None
            changed.update(kept.keys)
        return None
