"""The Faust app: ``cxpulse worker``, or ``faust -A processor.streaming.app worker``."""

from typing import Any

from faust.app.base import BootStrategy

from processor.settings import Settings, load_settings
from processor.streaming.agents import register_agents
from processor.streaming.security import broker_credentials
from processor.streaming.transport import BatchingApp
from processor.streaming.worker import Worker


class _WithoutWeb(BootStrategy):
    """Faust's parts without its web server, which serves tables to anyone on every address.

    ``web_enabled`` does not settle it: Faust's command line sets that again.
    """

    enable_web = False


class CxApp(BatchingApp):
    """The worker's app: a batching app whose parts start before its consumer and stop first."""

    BootStrategy = _WithoutWeb
    worker: Worker

    async def on_start(self) -> None:
        """Start the worker's parts, then Faust's."""
        await self.worker.start(self)
        await super().on_start()

    async def on_stop(self) -> None:
        """Stop the worker's parts, then Faust's."""
        await self.worker.stop()
        await super().on_stop()

    def _create_directories(self) -> None:
        """Make none: they are for stores on disk, and there is no such store."""


def create_app(settings: Settings, *, worker: Worker | None = None, **overrides: Any) -> CxApp:
    """The app of one worker; nothing connects before it is started.

    Args:
        settings: the configuration.
        worker: does the counting; one made of the settings unless given.
        **overrides: Faust settings to set otherwise, by their names.
    """
    kafka = settings.kafka
    options: dict[str, Any] = {
        "broker": [f"kafka://{server}" for server in kafka.bootstrap.split(",")],
        "broker_credentials": broker_credentials(kafka),
        "store": "memory://",
        "consumer_auto_offset_reset": "earliest",
        "consumer_group_instance_id": kafka.instance_id,
        "broker_max_poll_records": kafka.max_poll_records,
        "consumer_max_fetch_size": kafka.max_fetch_bytes,
        "broker_request_timeout": kafka.request_timeout_s,
        "broker_session_timeout": kafka.session_timeout_s,
        "broker_heartbeat_interval": kafka.heartbeat_interval_s,
        "broker_commit_interval": 1.0,
        "stream_buffer_maxsize": 4,  # batches, not records
        "stream_wait_empty": False,  # what is not flushed is read again
        "stream_recovery_delay": 0.0,
        "table_standby_replicas": 0,  # no table has a changelog
        "topic_disable_leader": True,
        "worker_redirect_stdouts": False,
        **overrides,
    }
    app = CxApp(kafka.group, **options)
    app.worker = worker or Worker(settings)
    app.offset_keeper = app.worker
    register_agents(app, app.worker.topics, app.worker.process)
    return app


def __getattr__(name: str) -> Any:
    """``app``, made on first use from the configuration, for Faust's own command line."""
    if name == "app":
        globals()["app"] = app = create_app(load_settings())
        return app
    raise AttributeError(name)
