"""Whatever is stored under a key, of any kind."""

from typing import Any

from redis.asyncio import Redis

from processor.state.replies import text


async def held_under(redis: Redis, key: bytes) -> Any:
    """What a key holds: bytes, or a collection of bytes; ``None`` where it is gone."""
    held: Any = None
    match text(await redis.type(key)):
        case "string":
            held = await redis.get(key)
        case "hash":
            held = await redis.hgetall(key)
        case "set":
            held = await redis.smembers(key)
        case "zset":
            held = await redis.zrange(key, 0, -1, withscores=True)
        case "list":
            held = await redis.lrange(key, 0, -1)
        case "stream":
            held = await redis.xrange(key)
        case "none":  # such as a lease that has run out since
            pass
        case kind:
            raise AssertionError(f"{key!r} is a {kind}")
    return held
