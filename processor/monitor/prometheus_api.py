"""``/metrics``: Prometheus's text format over HTTP, or OpenMetrics for those who ask for it.

A monitor whose Redis does not answer still has a page: it says so, and has no readings.
"""

import asyncio
import gzip
import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from fastapi import APIRouter, Request, Response
from prometheus_client import GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector, CollectorRegistry
from redis.exceptions import RedisError

from processor.monitor.prometheus import progress_families, reading_families
from processor.monitor.prometheus_alerts import alert_families
from processor.monitor.prometheus_series import Choice, choose_series
from processor.state.live import LiveReadings, Snapshot
from processor.streaming.topics import event_topics

if TYPE_CHECKING:
    from processor.monitor.monitor import Monitor

log = logging.getLogger(__name__)

router = APIRouter()

_COMPRESSED_FROM: Final = 1024
_FAST: Final = 1
"""The first level of gzip: the text repeats itself so much that further ones gain little."""


@router.get(
    "/metrics",
    summary="Readings and progress for Prometheus",
    response_class=Response,
    responses={
        200: {
            "description": "The text format, or OpenMetrics where `Accept` asks for it.",
            "content": {"text/plain": {}, "application/openmetrics-text": {}},
        }
    },
)
async def metrics(request: Request) -> Response:
    """Everything that is exported, as it is now."""
    state = request.app.state
    if not hasattr(state, "prometheus"):
        state.prometheus = Exporter(state.monitor)
    exporter: Exporter = state.prometheus
    snapshot = await exporter.read()
    keys = state.monitor.hub.keys()
    headers = request.headers
    encode, content_type = choose_encoder(headers.get("accept", ""))
    packed = "gzip" in headers.get("accept-encoding", "")

    def page() -> tuple[bytes, dict[str, str]]:
        body = encode(_Page((_of_process(), exporter.families(snapshot, keys))))
        varying = {"Vary": "Accept, Accept-Encoding", "Cache-Control": "no-store"}
        if not packed or len(body) < _COMPRESSED_FROM:
            return body, varying
        return gzip.compress(body, _FAST), varying | {"Content-Encoding": "gzip"}

    # In a thread: those who follow the stream do not wait for some thousand lines of text.
    body, more = await asyncio.to_thread(page)
    # Whole, as Prometheus wants it: media_type would get another charset.
    return Response(body, headers=more | {"Content-Type": content_type})


class Exporter:
    """Makes the families of one monitor.

    Args:
        monitor: its readings are those in memory.
    """

    def __init__(self, monitor: "Monitor") -> None:
        self._monitor = monitor
        self._live = LiveReadings(monitor.redis, monitor.keys)
        self._keys: Sequence[str] = ()
        self._choice: Choice = ([], {})

    async def read(self) -> Snapshot | None:
        """Status and partitions as they are now, ``None`` where Redis does not answer."""
        try:
            status = await self._live.status()
            return Snapshot(status=status, partitions=await self._live.partitions())
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("/metrics without readings: Redis does not answer: %s", error)
            return None

    def families(self, snapshot: Snapshot | None, keys: Sequence[str]) -> Iterator[Metric]:
        """All families but those of the process.

        Args:
            snapshot: status and partitions; without them there are no readings either.
            keys: of all readings; the same object as long as there are no others.
        """
        monitor = self._monitor
        yield build_info()
        yield redis_up(up=snapshot is not None)
        yield from stream_families(monitor.hub.clients, monitor.hub.dropped)
        if snapshot is None:
            return
        rows = monitor.hub.rows
        chosen, left_out = self._chosen(keys)
        readings = {one.key: rows[one.key].fields for one in chosen if one.key in rows}
        yield from reading_families(monitor.catalogue, readings, chosen, left_out)
        topics, now_ms = event_topics(monitor.settings.kafka), time.time_ns() // 1_000_000
        yield from progress_families(snapshot, topics, now_ms)
        most = monitor.settings.monitor.prometheus_series_max
        yield from alert_families(monitor.hub.alerts.shown, most)

    def _chosen(self, keys: Sequence[str]) -> Choice:
        """What to export, chosen anew only where there are other readings than before."""
        if keys is not self._keys:
            settings = self._monitor.settings
            self._choice = choose_series(
                keys,
                metrics=self._monitor.catalogue,
                windows=settings.engine.windows,
                segment_sets=settings.engine.segments,
                most=settings.monitor.prometheus_series_max,
            )
            self._keys = keys
        return self._choice


def build_info() -> Metric:
    """Which version this is."""
    return InfoMetricFamily(
        "cxpulse_build", "The version that runs.", {"version": version("cxpulse")}
    )


def redis_up(*, up: bool) -> Metric:
    """Whether there is more to come."""
    return GaugeMetricFamily(
        "cxpulse_redis_up", "Whether the monitor's Redis answered for this page.", value=float(up)
    )


def stream_families(clients: int, dropped: int) -> Iterator[Metric]:
    """Those who follow the live stream."""
    yield GaugeMetricFamily(
        "cxpulse_stream_clients", "Clients of the monitor's live stream.", value=clients
    )
    yield CounterMetricFamily(
        "cxpulse_stream_dropped_clients", "Clients that did not read, and were dropped.", dropped
    )


class _Page(Collector):
    """Families that were made already, as the encoders take them."""

    def __init__(self, parts: Sequence[Iterable[Metric]]) -> None:
        self._parts = parts

    def collect(self) -> Iterator[Metric]:
        """All of them."""
        for part in self._parts:
            yield from part


def _of_process() -> Iterator[Metric]:
    """Memory, processor time, files and collections of this process."""
    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    return iter(registry.collect())
