"""Dimensions as they are stored with sessions and customers: by name.

Which dimensions are in use, and in which order, may be another after the next start.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from pydantic_core import from_json, to_json

from processor.core.segments import Dimensions

Palette = tuple[Dimensions, ...]
"""The different dimensions of a few events, so that each has them in a byte."""

PALETTE_MAX: Final = 256
_KNOWN_MAX: Final = 20_000


class Palettes:
    """Palettes to bytes and back; those met lately are known.

    Args:
        names: of the dimensions in use, in the order of `Dimensions`.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        self._encoded: dict[Palette, bytes] = {}
        self._decoded: dict[bytes, Palette] = {}

    def named(self, dimensions: Dimensions) -> dict[str, str]:
        """The dimensions that an event has, by name."""
        return {n: v for n, v in zip(self._names, dimensions, strict=True) if v is not None}

    def placed(self, named: Mapping[str, str]) -> Dimensions:
        """The same in the order of today; one that is not in use any more is left out."""
        return tuple(map(named.get, self._names))

    def encode(self, palette: Palette) -> bytes:
        """A palette as JSON."""
        encoded = self._encoded.get(palette)
        if encoded is None:
            encoded = to_json(list(map(self.named, palette)))
            self._know(palette, encoded)
        return encoded

    def decode(self, encoded: bytes) -> Palette:
        """The other way round."""
        palette = self._decoded.get(encoded)
        if palette is None:
            palette = tuple(map(self.placed, from_json(encoded)))
            self._know(palette, encoded)
        return palette

    def _know(self, palette: Palette, encoded: bytes) -> None:
        if len(self._encoded) >= _KNOWN_MAX or len(self._decoded) >= _KNOWN_MAX:
            self._encoded.clear()
            self._decoded.clear()
        self._encoded.setdefault(palette, encoded)
        self._decoded[encoded] = palette
