"""The page for everybody: keyboard, screen reader, phone, light and dark, wall, first start."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect

from processor.state.keys import Keys
from processor.state.redis_url import async_client
from tests.browser.showing import PHONE, WINDOW, Shown, overflow, visiting
from tests.harness.waiting import PATIENCE
from tests.monitor.serving import TOKEN, serving, settings_of
from tests.monitor.test_alerts import alert

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

expect.set_options(timeout=15_000 * PATIENCE)

_VIEWS = {
    "main": f"/?window={WINDOW}",
    "detail": f"/?window={WINDOW}&metric=nps",
    "wall": f"/?window={WINDOW}&wall=1",
    "all": f"/?window={WINDOW}&all=1",
}
_GRAVE = {"serious", "critical"}


async def opened(page: Page, address: str) -> None:
    await page.goto(address)
    await expect(page.locator(".tile .sample").first).to_have_text(re.compile(r"^n \d"))


async def violations(page: Page) -> list[dict[str, Any]]:
    """What axe finds that keeps somebody out."""
    found = (await Axe().run(page)).response["violations"]
    return [
        {"rule": each["id"], "where": [node["html"][:200] for node in each["nodes"][:3]]}
        for each in found
        if each["impact"] in _GRAVE
    ]


@pytest.mark.parametrize(
    "dark", [("main",), pytest.param(tuple(_VIEWS), marks=pytest.mark.soak)], ids=["main", "all"]
)
async def test_nothing_keeps_anybody_out(
    shown: Shown, browser: Browser, dark: tuple[str, ...]
) -> None:
    async with visiting(browser, shown.url, reduced_motion="reduce") as page:
        for name, address in _VIEWS.items():
            await opened(page, address)
            assert await violations(page) == [], name
            if name in dark:
                await page.emulate_media(color_scheme="dark")
                assert await violations(page) == [], f"{name}, dark"
                await page.emulate_media(color_scheme="light")


async def test_nothing_is_wider_than_a_phone(shown: Shown, browser: Browser) -> None:
    async with visiting(browser, shown.url, viewport=PHONE, has_touch=True) as page:
        for name, address in _VIEWS.items():
            await opened(page, address)
            assert await overflow(page) <= 0, name


async def test_light_and_dark(shown: Shown, browser: Browser) -> None:
    async def paper(page: Page) -> str:
        colour: str = await page.evaluate("getComputedStyle(document.body).backgroundColor")
        return colour

    async with visiting(browser, shown.url, color_scheme="dark") as page:
        await opened(page, _VIEWS["main"])
        dark = await paper(page)
        button = page.get_by_role("button", name="Theme")
        await button.click()
        await expect(button).to_have_text("Theme: light")
        light = await paper(page)
        await opened(page, _VIEWS["main"])
        assert await paper(page) == light != dark
        await page.keyboard.press("t")
        await expect(button).to_have_text("Theme: dark")
        assert await paper(page) == dark
        await page.goto("/?theme=light")
        assert await paper(page) == light


async def test_all_of_it_with_the_keyboard(shown: Shown, browser: Browser) -> None:
    async with visiting(browser, shown.url) as page:
        keys = page.keyboard
        await opened(page, "/?window=1h")
        await keys.press("Tab")
        await expect(page.get_by_role("link", name="Skip to the readings")).to_be_focused()
        await keys.press("4")
        await expect(page).to_have_url(re.compile(r"window=24h"))
        # When its readings come the tiles are made anew, and a focus on one would be lost.
        await expect(page.get_by_role("main")).not_to_have_attribute("aria-busy", "true")
        await keys.press("?")
        await expect(page.get_by_role("dialog")).to_be_visible()
        await keys.press("Escape")
        await expect(page.get_by_role("dialog")).to_be_hidden()
        link = page.get_by_role("link", name="Customer satisfaction")
        for _ in range(40):
            await keys.press("Tab")
            if await link.evaluate("each => each === document.activeElement"):
                break
        await expect(link).to_be_focused()
        assert await link.evaluate("each => getComputedStyle(each).outlineStyle") == "solid"
        await keys.press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Customer satisfaction")
        await keys.press("Escape")
        await expect(page).not_to_have_url(re.compile("metric="))
        await keys.press("s")
        await expect(page.get_by_label("Segment by")).to_be_focused()
        await page.get_by_label("Segment by").blur()
        await keys.press("a")
        await expect(page).to_have_url(re.compile("all=1"))


async def test_the_wallboard_goes_on_by_itself_and_can_be_held(
    shown: Shown, browser: Browser
) -> None:
    async with visiting(browser, shown.url, viewport={"width": 1920, "height": 1080}) as page:
        await opened(page, f"/?window={WINDOW}&wall=1&pace=3")
        place = page.get_by_text(re.compile(r"^\d+ of \d+$"))
        await expect(place).to_have_text(re.compile(r"^\d+ of (\d\d|[2-9])$"))
        await expect(place).not_to_have_text(await place.inner_text())
        await page.keyboard.press(" ")
        await expect(page.get_by_role("button", name="Go on")).to_be_visible()
        held = await place.inner_text()
        await page.keyboard.press("ArrowRight")
        await expect(place).not_to_have_text(held)
        await page.keyboard.press("ArrowLeft")
        await expect(place).to_have_text(held)
        size = await page.locator(".value").first.evaluate(
            "each => parseFloat(getComputedStyle(each).fontSize)"
        )
        assert size > 90
        assert await page.evaluate("document.documentElement.scrollHeight") <= 1080
        await page.keyboard.press("w")
        await expect(page).not_to_have_url(re.compile("wall="))
        await expect(page.locator('.tile[data-metric="nps"] .sample')).to_have_text(
            re.compile(r"^n \d")
        )


async def test_alerts_stand_above_everything(shown: Shown, browser: Browser) -> None:
    keys = Keys(shown.deployment.redis_prefix)
    now = datetime.now(UTC)
    old = "2026-03-01T12:00:00.000Z"
    until = (now + timedelta(hours=1)).isoformat()
    redis = async_client(shown.deployment.redis_url)

    async def store(*alerts: dict[str, Any]) -> None:
        for one in alerts:
            await redis.hset(keys.alerts, one["fingerprint"], json.dumps(one))

    async with visiting(browser, shown.url) as page:
        await opened(page, _VIEWS["main"])
        await expect(page.locator(".alerts")).to_be_hidden()
        await page.evaluate("window.same = 1")
        try:
            silence = {"id": "s1", "rule": "muted", "until": until, "created_by": "ana"}
            await redis.hset(keys.silences, "s1", json.dumps(silence))
            await store(
                alert(1, since=old, starts_at=old),
                alert(2, name="muted", severity="warning"),
                alert(3, "pending", name="soon", since=now.isoformat()),
            )
            region = page.get_by_role("region", name="1 alert fires, 1 silenced")
            lines = region.locator("ul").first.locator("li")
            await expect(lines).to_have_count(2)
            for words in ("critical", "NPS <b>low</b>", "email", "+12.4", "below 30", "Mar 1"):
                await expect(lines.first).to_contain_text(words)
            await expect(lines.last).to_contain_text("silenced until")
            await expect(lines.last).to_contain_text("by ana")
            await region.get_by_text("1 pending").click()
            await expect(region.get_by_text("pending since")).to_be_visible()
            assert await violations(page) == []
            link = lines.first.get_by_role("link")
            await link.focus()
            # Live: the value moves, and neither the fold nor the focus is lost.
            await store(alert(1, value=11.5))
            await expect(lines.first).to_contain_text("+11.5")
            await expect(link).to_be_focused()
            await expect(region.get_by_text("pending since")).to_be_visible()
            await link.press("Enter")
            await expect(page).to_have_url(re.compile(r"segment=channel:email&metric=nps"))
            await redis.delete(keys.alerts)
            await expect(page.locator(".alerts")).to_be_hidden()
            assert await page.evaluate("window.same") == 1
        finally:
            await redis.delete(keys.alerts, keys.silences)
            await redis.aclose()


async def test_before_the_first_reading(
    redis_url: str, redis_prefix: str, browser: Browser
) -> None:
    async with (
        serving(settings_of(redis_url, redis_prefix)) as served,
        visiting(browser, served.url) as page,
    ):
        await page.goto("/")
        heading = page.get_by_role("heading", level=1)
        await expect(heading).to_have_text("Waiting for the first reading")
        assert await violations(page) == []


async def test_a_session_that_ended_is_begun_again(
    redis_url: str, redis_prefix: str, browser: Browser
) -> None:
    settings = settings_of(redis_url, redis_prefix, token=TOKEN)
    async with serving(settings) as served, visiting(browser, served.url) as page:
        await page.goto("/?window=24h")
        field = page.get_by_label("The monitor's token")
        await field.fill("a wrong one")
        await field.press("Enter")
        await expect(page.get_by_role("alert")).to_contain_text("not the token")
        assert await violations(page) == []
        heading = page.get_by_role("heading", name="Waiting for the first reading")
        for window in ("24h", "1h"):
            await field.fill(TOKEN)
            await field.press("Enter")
            await expect(heading).to_be_visible()
            await expect(page).to_have_url(re.compile(rf"/\?window={window}$"))
            if window == "24h":
                await page.context.clear_cookies()
                await page.get_by_role("link", name="1 h", exact=True).click()
