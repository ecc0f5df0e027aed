"""The parts of one monitor, where every route finds them: ``request.app.state.monitor``."""

from typing import Final

from processor.monitor.alerts import AlertBoard
from processor.monitor.hub import Hub
from processor.monitor.rows import RowMaker
from processor.settings import Settings
from processor.state.keys import Keys
from processor.state.live import LiveReadings
from processor.state.redis_url import async_client
from processor.state.updates import Updates

_FOLLOW_TIMEOUT_S: Final = 5.0
"""The longest that a Redis which hangs is taken for one that has nothing new."""


class Monitor:
    """What the routes share; its connections are made when they are first needed.

    Args:
        settings: the configuration.

    Attributes:
        settings: the same.
        own: names of the metrics of one's own.
        catalogue: the metrics in use, by name.
        keys: key names of the deployment.
        redis: a client with bounded time-outs, for short reads.
        hub: the readings as they are now, and those who follow them.

    Raises:
        ConfigurationError: a metric of one's own cannot be.
    """

    def __init__(self, settings: Settings) -> None:
        own = settings.own_metrics()
        self.settings = settings
        self.own = frozenset(one.metric.name for one in own)
        self.catalogue = settings.catalogue(own)
        self.keys = Keys(settings.redis.prefix)
        url = settings.redis.url.get_secret_value()
        self.redis = async_client(url, timeout_s=settings.redis.timeout_s, retries=1)
        # Of its own: nobody's read waits behind the one that waits for updates.
        timeout_s = min(settings.redis.timeout_s, _FOLLOW_TIMEOUT_S)
        self._following = async_client(url, timeout_s=timeout_s, retries=0)
        monitor = settings.monitor
        self.hub = Hub(
            Updates(self._following, self.keys),
            LiveReadings(self._following, self.keys),
            RowMaker(monitor.targets),
            AlertBoard(self._following, self.keys, self.catalogue),
            stale_after_s=monitor.stale_after_s or max(3.0, 3 * settings.publisher.interval_s),
            clients_max=monitor.stream_clients_max,
        )

    async def start(self) -> None:
        """Follow what is published."""
        self.hub.start()

    async def stop(self) -> None:
        """Say goodbye to those who follow, and close the connections."""
        await self.hub.stop()
        await self._following.aclose()
        await self.redis.aclose()
