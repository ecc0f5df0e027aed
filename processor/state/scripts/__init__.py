"""The Lua scripts, each atomic on one hash slot."""

from functools import cache
from importlib.resources import files


@cache
def source(name: str) -> str:
    """The text of the script ``name`` (without ``.lua``)."""
    return files(__name__).joinpath(f"{name}.lua").read_text(encoding="utf-8")
