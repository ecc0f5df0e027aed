"""The deployment behind the page, and a visitor who looks at it."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx
from playwright.async_api import Browser, ConsoleMessage, Page

from processor.replay import replay_events
from tests.browser.visitors import records
from tests.harness.kafka import send
from tests.harness.waiting import PATIENCE, eventually
from tests.harness.worker import Deployment, WorkerProcess

WIDE: Final = {"width": 1280, "height": 800}
PHONE: Final = {"width": 390, "height": 844}
WINDOW: Final = "24h"
"""Holds all events whatever the minute, here and in a replay."""

SEEN: Final = ("value", "n", "low", "high")
PAGE_METRICS: Final = ("nps", "csat", "ctr", "bounce_rate")

MINUS: Final = "\N{MINUS SIGN}"

Numbers = Mapping[str, Mapping[str, Any]]


class Shown:
    """A deployment with what was sent to it.

    Args:
        deployment: its servers and names.
        monitor: its monitor.
        url: the monitor's address.
    """

    def __init__(self, deployment: Deployment, monitor: WorkerProcess, url: str) -> None:
        self.deployment = deployment
        self.monitor = monitor
        self.url = url
        self.sent: list[dict[str, Any]] = []

    async def ask(self, path: str) -> Any:
        """JSON of the API."""
        async with httpx.AsyncClient(base_url=self.url, timeout=10 * PATIENCE) as http:
            answer = await http.get(path)
        answer.raise_for_status()
        return answer.json()

    async def until_answered(self) -> None:
        """Returns when the monitor answers."""

        async def answers() -> bool:
            try:
                await self.ask("/api/status")
            except httpx.TransportError:
                return False
            return True

        await eventually(answers, what="the monitor answers")

    async def send(self, events: list[dict[str, Any]]) -> None:
        """Sends events; they are counted and published when this returns."""
        self.sent += events
        await send(self.deployment, records(self.deployment, events))

        async def count() -> int:
            counted: int = (await self.ask("/api/status"))["events"].get("counted", 0)
            return counted

        await eventually(count, lambda n: n == len(self.sent), within_s=60, what="all are counted")
        wanted = self.replayed()

        async def read() -> Numbers:
            return await self.read()

        await eventually(read, lambda found: found == wanted, what="readings as in a replay")

    async def read(self, segment: str = "all") -> Numbers:
        """What the API tells of the page's metrics."""
        metrics = ",".join(PAGE_METRICS)
        answer = await self.ask(f"/api/readings?metric={metrics}&window={WINDOW}&segment={segment}")
        return {row["metric"]: {key: row[key] for key in SEEN} for row in answer["readings"]}

    def replayed(self) -> Numbers:
        """What a replay of all that was sent tells of them."""
        rows = replay_events(self.sent, windows=[WINDOW], by=[["channel"]])
        return {
            row["metric"]: {key: row[key] for key in SEEN}
            for row in rows
            if row["metric"] in PAGE_METRICS and not row["segment"]
        }


@asynccontextmanager
async def visiting(browser: Browser, base_url: str, **options: Any) -> AsyncIterator[Page]:
    """A page of a visitor of its own; fails where the page's scripts did.

    Args:
        browser: the browser.
        base_url: what paths are relative to.
        options: of the browser's context.
    """
    options = {"viewport": WIDE, "locale": "en-US", "color_scheme": "light", **options}
    context = await browser.new_context(base_url=base_url, **options)
    context.set_default_timeout(15_000 * PATIENCE)
    page = await context.new_page()
    errors: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        # A connection that is refused while the monitor is away is told as an error, too.
        if message.type == "error" and "Failed to load resource" not in message.text:
            errors.append(message.text)

    page.on("console", heard)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("dialog", lambda dialog: errors.append(f"a dialog: {dialog.message}"))
    try:
        yield page
    finally:
        await context.close()
    assert [error for error in errors if "net::ERR_" not in error] == []


def words(metric: str, value: float) -> str:
    """A value as the page writes it in American English."""
    return f"{value:+.1f}".replace("-", MINUS) if metric == "nps" else f"{value:.1f}%"


async def tile(page: Page, metric: str) -> dict[str, str]:
    """What a metric's tile says."""
    node = page.locator(f'.tile[data-metric="{metric}"]')
    parts = ("value", "interval", "sample", "change")
    return {part: await node.locator(f".{part}").inner_text() for part in parts}


async def numbers(page: Page) -> dict[str, tuple[str, str]]:
    """Value and sample size of each tile, as they are shown."""
    return {
        metric: ((said := await tile(page, metric))["value"], re.sub(r"\D", "", said["sample"]))
        for metric in PAGE_METRICS
    }


def shown_as(expected: Numbers) -> dict[str, tuple[str, str]]:
    """What `numbers` are when the page shows these readings."""
    return {
        metric: (words(metric, expected[metric]["value"]), str(expected[metric]["n"]))
        for metric in PAGE_METRICS
    }


async def overflow(page: Page) -> int:
    """By how many pixels the page is wider than its window."""
    wide: int = await page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    return wide
