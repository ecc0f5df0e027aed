"""The publisher's lease: one leader at a time, by a fence that only grows."""

from redis.asyncio import Redis

from processor.state.keys import Keys
from processor.state.scripts import Script, source


class Lease:
    """Leadership that lasts only as long as it is renewed.

    Args:
        redis: a client with bounded time-outs.
        keys: key names of the deployment.
        holder: names this process; unique.
        ttl_ms: how long leadership outlives its last renewal.
    """

    def __init__(self, redis: Redis, keys: Keys, holder: str, ttl_ms: int) -> None:
        self._keys = keys
        self._redis = redis
        self.holder = holder
        self.ttl_ms = ttl_ms
        self.epoch = 0
        self._script = Script(redis, source("lease"))
        self._release = Script(
            redis, "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end"
        )

    @property
    def token(self) -> str:
        """What the lease key holds while it is ours."""
        return f"{self.epoch}:{self.holder}"

    async def hold(self) -> bool:
        """Take or renew the lease; whether it is ours now."""
        epoch, _ = await self._script(
            keys=[self._keys.lease, self._keys.lease_epoch], args=[self.holder, self.ttl_ms]
        )
        self.epoch = int(epoch)
        return self.epoch > 0

    async def release(self) -> None:
        """Let another take over at once, if the lease is still ours."""
        if self.epoch:
            await self._release(keys=[self._keys.lease], args=[self.token])
            self.epoch = 0
