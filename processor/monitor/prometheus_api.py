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
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector, CollectorRegistry
from redis.exceptions import RedisError

from processor.monitor.prometheus import progress_families, reading_families
from processor.monitor.prometheus_series import choose_series
from processor.state.live import LiveReadings
from processor.state.replies import text
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
    families = await exported(request.app.state.monitor)
    headers = request.headers
    encode, content_type = choose_encoder(headers.get("accept", ""))
    packed = "gzip" in headers.get("accept-encoding", "")

    def page() -> tuple[bytes, dict[str, str]]:
        body = encode(_Page((_of_process(), families)))
        varying = {"Vary": "Accept, Accept-Encoding", "Cache-Control": "no-store"}
        if not packed or len(body) < _COMPRESSED_FROM:
            return body, varying
        return gzip.compress(body, _FAST), varying | {"Content-Encoding": "gzip"}

    # In a thread: those who follow the stream do not wait for some thousand lines of text.
    body, more = await asyncio.to_thread(page)
    # Whole, as Prometheus wants it: media_type would get another charset.
    return Response(body, headers=more | {"Content-Type": content_type})


async def exported(monitor: "Monitor") -> list[Metric]:
    """The families of readings and progress, made anew."""
    families: list[Metric] = [build_info()]
    engine = monitor.settings.engine
    try:
        keys = map(text, await monitor.redis.hkeys(monitor.keys.readings))
        series, left_out = choose_series(
            keys,
            metrics=monitor.catalogue,
            windows=engine.windows,
            segment_sets=engine.segments,
            most=monitor.settings.monitor.prometheus_series_max,
        )
        chosen = {one.key for one in series}
        snapshot = await LiveReadings(monitor.redis, monitor.keys).read(chosen.__contains__)
    except (RedisError, OSError, TimeoutError) as error:
        log.warning("/metrics without readings: Redis does not answer: %s", error)
        return [*families, redis_up(up=False)]
    families.append(redis_up(up=True))
    families += reading_families(monitor.catalogue, snapshot.rows, series, left_out)
    topics = event_topics(monitor.settings.kafka)
    families += progress_families(snapshot, topics, time.time_ns() // 1_000_000)
    return families


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
