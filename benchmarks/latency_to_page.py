"""From a producer's send to the number on the page: ``python -m benchmarks.latency_to_page``.

Real Kafka, Redis, worker, monitor and Chromium on this machine. One answer after another is sent;
each is timed until the page shows a sample size that is larger by one. Between two there is a
random pause, so that they meet the publisher's ticks at every phase; its seed is fixed.
"""

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from pathlib import Path

from playwright.async_api import Page, async_playwright

from processor.embedded.kafka import EmbeddedKafka
from processor.embedded.redis import EmbeddedRedis
from tests.browser.chromium import launch
from tests.browser.showing import Shown
from tests.browser.visitors import praise, records
from tests.harness.kafka import producing, send_all
from tests.harness.worker import Deployment, WorkerProcess

SEED = 7
SETTINGS: dict[str, dict[str, str]] = {
    "default settings": {},
    "publisher.interval_s = 0.1, redis.flush_interval_s = 0.05": {
        "PUBLISHER__INTERVAL_S": "0.1",
        "REDIS__FLUSH_INTERVAL_S": "0.05",
    },
}
_PORT = 18_231
_TIMEOUT_MS = 30_000
_SHOWN = """wanted => {
  const at = document.querySelector('.tile[data-metric="nps"] .sample');
  return at && Number(at.textContent.replace(/[^0-9]/g, '')) >= wanted ? Date.now() : null;
}"""


async def _until(page: Page, wanted: int) -> float:
    """The page's clock, which is ours, when it shows so many answers; looked at each frame."""
    handle = await page.wait_for_function(_SHOWN, arg=wanted, timeout=_TIMEOUT_MS)
    return float(await handle.json_value())


async def _measure(shown: Shown, events: int) -> list[float]:
    chance = random.Random(SEED)
    found: list[float] = []
    async with async_playwright() as playwright, producing(shown.deployment, linger_ms=0) as out:
        browser = await launch(playwright)
        page = await browser.new_page(locale="en-US")
        await page.goto(f"{shown.url}/?window=24h")
        await shown.send(praise(3))
        await _until(page, 3)
        for number in range(4, 4 + events):
            await asyncio.sleep(0.3 + chance.random())
            began = time.time() * 1000
            await send_all(out, records(shown.deployment, praise(1)))
            found.append(await _until(page, number) - began)
        await browser.close()
    return found


async def _run(events: int) -> None:
    with EmbeddedKafka() as kafka, EmbeddedRedis() as redis:
        for number, (name, settings) in enumerate(SETTINGS.items()):
            with tempfile.TemporaryDirectory() as folder:
                prefix = f"latency{number}"
                deployment = Deployment(
                    kafka.bootstrap,
                    redis.url,
                    topic_prefix=f"{prefix}.",
                    redis_prefix=prefix,
                    settings={"KAFKA__PARTITIONS": "1", **settings},
                )
                command = ("processor.cli", "monitor", "--port", str(_PORT))
                monitor = WorkerProcess(deployment, Path(folder), "monitor", command=command)
                with WorkerProcess(deployment, Path(folder)) as worker, monitor:
                    await worker.until_ready()
                    shown = Shown(deployment, monitor, f"http://127.0.0.1:{_PORT}")
                    await shown.until_answered()
                    found = sorted(await _measure(shown, events))
            print(
                f"{name}: {len(found)} events, median {statistics.median(found):.0f} ms, "
                f"90 % within {found[int(0.9 * (len(found) - 1))]:.0f} ms, "
                f"slowest {found[-1]:.0f} ms"
            )


def main() -> None:
    """Measure with each of the settings, and print a line for each."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--events", type=int, default=40)
    asyncio.run(_run(parser.parse_args().events))


if __name__ == "__main__":
    main()
