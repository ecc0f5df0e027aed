"""The page's numbers: right, live, chosen by the address, and back after the monitor was away."""

import re
from urllib.parse import quote

import pytest
from playwright.async_api import Browser, Page, expect

from processor.monitor.page import STATIC
from tests.browser.showing import (
    MINUS,
    PHONE,
    WINDOW,
    Shown,
    numbers,
    overflow,
    shown_as,
    tile,
    visiting,
    words,
)
from tests.browser.visitors import ODD, praise
from tests.harness.waiting import PATIENCE, eventually

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

expect.set_options(timeout=15_000 * PATIENCE)


async def until_shown(page: Page, shown: Shown) -> None:
    async def look() -> dict[str, tuple[str, str]]:
        return await numbers(page)

    wanted = shown_as(shown.replayed())
    await eventually(look, lambda seen: seen == wanted, what=f"{wanted} on the page")


async def test_numbers_are_those_of_the_api_and_change_without_a_reload(
    shown: Shown, browser: Browser
) -> None:
    async with visiting(browser, shown.url) as page:
        await page.goto(f"/?window={WINDOW}")
        await until_shown(page, shown)
        await page.evaluate("window.same = 1")
        before = (await numbers(page))["nps"]
        said = await tile(page, "nps")
        reading = (await shown.read())["nps"]
        low, high = words("nps", reading["low"]), words("nps", reading["high"])
        assert said["interval"] == f"{low} to {high} (95 %)"
        await expect(page.locator(".breakdown tbody tr")).to_have_count(len({*ODD}) + 4)
        await shown.send(praise(40))
        await until_shown(page, shown)
        assert (await numbers(page))["nps"] != before
        assert await page.evaluate("window.same") == 1


async def test_what_is_chosen_lives_in_the_address(shown: Shown, browser: Browser) -> None:
    async with visiting(browser, shown.url) as page:
        await page.goto("/")
        await page.get_by_role("link", name="24 h").click()
        await expect(page).to_have_url(re.compile(r"\?window=24h$"))
        await page.get_by_label("Segment by").select_option(label="by channel")
        heading = page.get_by_role("heading", level=1)
        await expect(heading).to_have_text("web")  # the most people
        await page.get_by_label("Segment", exact=True).select_option(label="email")
        await expect(heading).to_have_text("email")
        await expect(page).to_have_url(re.compile(r"\?window=24h&segment=channel:email$"))
        wanted = shown_as(await shown.read("channel:email"))
        await expect(page.locator('.tile[data-metric="nps"] .sample')).to_have_text(
            f"n {wanted['nps'][1]}"
        )
        assert await numbers(page) == wanted
        address = page.url
        await page.go_back()
        await expect(heading).to_have_text("web")
        await page.go_back()
        await expect(heading).to_have_text("Everything")
        await page.go_forward()
        await expect(heading).to_have_text("web")
        await page.goto(address)
        await expect(heading).to_have_text("email")
        assert await numbers(page) == wanted
        await page.goto("/?window=9h")
        await expect(heading).to_have_text("There is no window 9h")


async def test_one_metric_in_detail(shown: Shown, browser: Browser) -> None:
    async with visiting(browser, shown.url) as page:
        await page.goto("/?window=1h")
        await page.get_by_role("link", name="Net Promoter Score").click()
        await expect(page).to_have_url(re.compile(r"metric=nps$"))
        await expect(page.get_by_role("heading", level=1)).to_have_text("Net Promoter Score")
        answers = await shown.ask("/api/readings?metric=nps&window=1h&segment=all")
        count = answers["readings"][0]["n"]
        scores = page.locator(".scores tbody tr")
        await expect(scores).to_have_count(11)
        told = await scores.locator("td:last-child").all_inner_texts()
        assert sum(int(each.replace(",", "")) for each in told) == count
        # Few samples are told apart, and stand behind those that are ranked.
        lines = page.locator(".segments tbody tr")
        await expect(lines.filter(has_text="low sample")).to_have_count(1)
        texts = await lines.all_inner_texts()
        ranked = next(i for i, text in enumerate(texts) if text.startswith("Not ranked"))
        assert [text.split()[0] for text in texts[ranked + 1 :]] == ["fax"]
        values = [
            float(found[1].replace(MINUS, "-"))
            for text in texts[:ranked]
            if (found := re.search(rf"([+{MINUS}]\d+\.\d)", text))
        ]
        assert values == sorted(values, reverse=True)
        assert len(values) == 7
        # The chart is read with the keyboard, and as a table.
        chart = page.get_by_role("slider")
        await expect(chart).to_have_attribute("aria-valuetext", re.compile(r"n \d"))
        now = await chart.get_attribute("aria-valuetext")
        assert now is not None
        await chart.press("ArrowLeft")
        await chart.press("ArrowLeft")
        await expect(chart).not_to_have_attribute("aria-valuetext", now)
        await page.get_by_text("The same as a table").click()
        span = page.get_by_label("How far back")
        points = page.locator("details tbody tr")
        await span.select_option(label="the last 15 minutes")
        await expect(points).to_have_count(16)
        await span.select_option(label="all that is known")
        await eventually(points.count, lambda n: n > 16, what="all points: the past grows")
        await page.get_by_role("link", name="All metrics").click()
        await expect(page.locator(".tile")).to_have_count(4)


async def test_it_says_that_the_monitor_is_away_and_comes_back_by_itself(
    shown: Shown, browser: Browser
) -> None:
    async with visiting(browser, shown.url) as page:
        await page.goto(f"/?window={WINDOW}")
        await until_shown(page, shown)
        await page.evaluate("window.same = 1")
        shown.monitor.kill()
        notice = page.locator("#notice")
        await expect(notice).to_contain_text(re.compile(r"Disconnected since \d+:\d\d"))
        await expect(page.locator("#pulse")).to_have_text("Disconnected")
        shown.monitor.start()
        await shown.until_answered()
        await expect(notice).to_be_hidden()
        await expect(page.locator("#pulse")).to_contain_text("Live")
        await shown.send(praise(3))
        await until_shown(page, shown)
        assert await page.evaluate("window.same") == 1


async def test_values_are_only_ever_text(shown: Shown, browser: Browser) -> None:
    async with visiting(browser, shown.url, viewport=PHONE) as page:
        for value in ODD:
            await page.goto(f"/?window={WINDOW}&segment=channel:{quote(quote(value, safe=''))}")
            await expect(page.get_by_role("heading", level=1)).to_have_text(value)
            await expect(page.locator('.tile[data-metric="nps"] .sample')).to_have_text("n 40")
            option = page.get_by_label("Segment", exact=True).locator("option:checked")
            await expect(option).to_have_text(value)
            assert await overflow(page) <= 0
        await page.goto(f"/?window={WINDOW}&metric=nps")
        segments = page.locator(".segments tbody")
        for value in ODD:
            await expect(segments.get_by_text(value, exact=True)).to_be_visible()
        assert await overflow(page) <= 0
        assert await page.evaluate("window.broken") is None
        assert await page.locator("main img, main script").count() == 0


async def test_its_files_are_small() -> None:
    sizes = {file.name: file.stat().st_size for file in STATIC.iterdir() if file.is_file()}
    assert sum(sizes.values()) < 100_000, sizes


async def test_the_page_is_light(shown: Shown, browser: Browser) -> None:
    async with visiting(browser, shown.url) as page:
        session = await page.context.new_cdp_session(page)
        await session.send("Network.enable")
        sizes: list[float] = []
        session.on("Network.dataReceived", lambda event: sizes.append(event["encodedDataLength"]))
        await page.goto(f"/?window={WINDOW}")
        await until_shown(page, shown)
        await page.wait_for_load_state("load")
        assert 10_000 < sum(sizes) < 100_000
        others = [
            url
            for url in await page.evaluate("performance.getEntries().map(each => each.name)")
            if url.startswith("http") and not url.startswith(shown.url)
        ]
        assert others == []
