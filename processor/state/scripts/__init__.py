"""The Lua scripts, each atomic on one hash slot."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from redis.exceptions import NoScriptError, ResponseError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from redis.asyncio import Redis

_DEMOTED = "READONLY"


@cache
def source(name: str) -> str:
    """The text of the script ``name`` (without ``.lua``)."""
    return files(__name__).joinpath(f"{name}.lua").read_text(encoding="utf-8")


class Script:
    """A script on one server, be it a cluster's: sent by its hash, and whole where it is not known.

    redis-py's own would load it into every node of a cluster, and needs one right more.

    Args:
        redis: a client with bounded time-outs.
        text: the script.
    """

    def __init__(self, redis: Redis, text: str) -> None:
        self._redis = redis
        self._text = text
        self._hash = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    async def __call__(self, *, keys: Sequence[str], args: Iterable[Any]) -> Any:
        """Run it.

        Raises:
            redis.exceptions.RedisError: Redis did not do it, or did not say so.
        """
        words = (len(keys), *keys, *args)
        redis: Any = self._redis
        try:
            try:
                return await redis.evalsha(self._hash, *words)
            except NoScriptError:
                return await redis.eval(self._text, *words)
        except ResponseError as error:
            if _DEMOTED in str(error) and hasattr(redis, "connection_pool"):
                # A master that became a replica: the name may lead to the new master by now.
                await redis.connection_pool.disconnect(inuse_connections=False)
            raise
