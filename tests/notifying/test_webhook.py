"""Webhooks at a real receiver: what arrives, and what becomes of a receiver that misbehaves."""

import asyncio
import logging
import time
from functools import partial
from typing import Any

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from processor.notifying.counters import NotifyingCounters
from processor.settings import AnyReceiver
from tests.harness.waiting import PATIENCE, eventually
from tests.notifying.outboxes import Outboxes, alert, receiver
from tests.notifying.receiving import SECRET, Answer, Receiving, status

pytestmark = pytest.mark.timeout(60)


def webhook(receiving: Receiving, **settings: Any) -> AnyReceiver:
    return receiver("webhook", receiving.url, **{"secret": SECRET, **settings})


async def test_an_alert_begins_and_ends(outbox: Outboxes, receiving: Receiving) -> None:
    async with outbox.dispatching(webhook(receiving)):
        await outbox.change(alert("pending"))
        await outbox.change(alert("firing"))
        await receiving.until(lambda: receiving.messages, "firing")
        await outbox.change(alert("resolved"))
        await receiving.until(lambda: len(receiving.messages) == 2, "resolved")
    first, last = receiving.messages
    assert (first.status, last.status) == ("firing", "resolved")
    assert first.receiver == "ops"
    assert first.groupLabels == {"alertname": "NPS low"}
    assert first.groupKey == last.groupKey
    assert first.externalURL == "https://cx.example.org"
    one = first.alerts[0]
    assert one.labels["channel"] == "web"
    assert one.annotations == {"summary": "NPS is low"}
    assert one.generatorURL == "https://cx.example.org/?window=24h&metric=nps&segment=channel:web"
    assert one.endsAt.year == 1
    assert last.alerts[0].endsAt > last.alerts[0].startsAt == one.startsAt


async def test_what_fires_together_is_told_together(outbox: Outboxes, receiving: Receiving) -> None:
    channels = [f"c{n:02}" for n in range(30)]
    hook = webhook(receiving, group_wait_s=0.5, max_alerts=20)
    await outbox.change(*(alert(channel=channel) for channel in channels))
    async with outbox.dispatching(hook):
        await receiving.until(lambda: len(receiving.distinct) == 30, "all")
    assert {channel for channel, _ in receiving.distinct} == set(channels)
    assert [len(message.alerts) for message in receiving.messages] == [20, 20]
    assert receiving.messages[1].truncatedAlerts == 10, "those that were told before"


async def test_filters(outbox: Outboxes, receiving: Receiving) -> None:
    async with outbox.dispatching(
        webhook(receiving, name="rules", rules=["CSAT low"]),
        webhook(receiving, name="severe", severity=["page"]),
        webhook(receiving, name="labelled", labels={"channel": "app"}),
        webhook(receiving, name="begins", send_resolved=False),
    ):
        for state in ("firing", "resolved"):
            await outbox.change(
                alert(state),
                alert(state, "app"),
                alert(state, "shop", name="CSAT low"),
                alert(state, "till", severity="page", name="till"),
            )
        await receiving.until(
            lambda: len({(m.receiver, one) for m in receiving.messages for one in m.seen}) == 10,
            "each its own",
        )
    got: dict[str, set[tuple[str, str]]] = {}
    for message in receiving.messages:
        for channel, state, _ in message.seen:
            got.setdefault(message.receiver, set()).add((channel, state))
    both = ("firing", "resolved")
    assert got["rules"] == {("shop", state) for state in both}
    assert got["severe"] == {("till", state) for state in both}
    assert got["labelled"] == {("app", state) for state in both}
    assert got["begins"] == {(c, "firing") for c in ("web", "app", "shop", "till")}


@pytest.mark.parametrize("code", [408, 429, 500, 503])
async def test_what_fails_for_now_is_tried_again(
    outbox: Outboxes, receiving: Receiving, code: int
) -> None:
    receiving.answers.extend([status(code)] * 3)
    async with outbox.dispatching(webhook(receiving)):
        await outbox.change(alert())
        await receiving.until(lambda: receiving.messages, "at last")
    assert len(receiving.requests) == 4
    assert receiving.distinct == [("web", "firing")]
    assert await outbox.undelivered() == []


def counted(registry: CollectorRegistry, outcome: str) -> float | None:
    labels = {"receiver": "ops", "outcome": outcome}
    return registry.get_sample_value("cxpulse_worker_notifications_total", labels)


async def test_what_is_refused_is_not_tried_again(
    outbox: Outboxes, receiving: Receiving, caplog: pytest.LogCaptureFixture
) -> None:
    registry = CollectorRegistry()
    receiving.answers.append(status(404, text=f"no /hook?key=hush for {SECRET}"))
    with caplog.at_level(logging.INFO):
        async with outbox.dispatching(
            webhook(receiving, bearer_token="hush-token"),
            counters=NotifyingCounters(["ops"], registry),
        ):
            await outbox.change(alert())
            (given_up,) = await eventually(outbox.undelivered, what="given up")
            await outbox.change(alert(channel="app"))
            await receiving.until(lambda: receiving.messages, "the next")
            # It was taken: who told it has still to hear that.
            await receiving.until(lambda: counted(registry, "delivered"), "counted")
    assert len(receiving.requests) == 2
    assert given_up["receiver"] == "ops"
    assert given_up["reason"].startswith("HTTP 404")
    assert '"channel":"web"' in given_up["alerts"]
    assert "ops was not told of 1 alerts" in caplog.text
    for text in (caplog.text, *given_up.values()):
        assert "hush" not in text
        assert SECRET not in text
        assert receiving.url not in text
    assert counted(registry, "given_up") == counted(registry, "delivered") == 1


async def test_after_the_last_try_it_is_kept(outbox: Outboxes, receiving: Receiving) -> None:
    receiving.answers.extend([status(500)] * 10_000)
    async with outbox.dispatching(webhook(receiving, retry_for="1s")):
        await outbox.change(alert())
        (given_up,) = await eventually(outbox.undelivered, what="given up")
    assert given_up["count"] == "1"
    assert given_up["reason"] == "HTTP 500: no"
    # On a machine that stops for a second in between, the second try is the last.
    assert len(receiving.requests) > 1


async def test_retry_after_is_honoured(outbox: Outboxes, receiving: Receiving) -> None:
    receiving.answers.append(status(429, {"Retry-After": "1"}))
    async with outbox.dispatching(webhook(receiving)):
        await outbox.change(alert())
        await receiving.until(lambda: receiving.requests, "refused")
        await outbox.change(alert(name="another", channel="app"))  # waits as well
        await receiving.until(lambda: len(receiving.distinct) == 2, "both")
    # Told by another clock than the one waited by, in whole milliseconds.
    assert receiving.requests[1] - receiving.requests[0] > 0.95


async def _slowly(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(status=500)
    await response.prepare(request)
    while True:
        await response.write(b".")
        await asyncio.sleep(0.05)


async def _never(_: web.Request) -> web.StreamResponse:
    await asyncio.sleep(3600)
    raise AssertionError


async def _endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(status=500)
    await response.prepare(request)
    block = b"x" * 65_536
    while True:
        await response.write(block)


@pytest.mark.parametrize("answer", [_slowly, _never, _endless], ids=["slowly", "never", "endless"])
async def test_answers_are_bounded(outbox: Outboxes, receiving: Receiving, answer: Answer) -> None:
    receiving.answers.append(answer)
    hook = webhook(receiving, timeout_s=2.0, connect_timeout_s=1.9)
    async with outbox.dispatching(hook):
        await outbox.change(alert())
        await receiving.until(lambda: receiving.messages, "told at the second try")
    assert len(receiving.requests) == 2


async def test_no_redirect_is_followed(outbox: Outboxes, receiving: Receiving) -> None:
    async with Receiving() as inner:
        receiving.answers.append(status(307, {"Location": inner.url}))
        async with outbox.dispatching(webhook(receiving)):
            await outbox.change(alert())
            (given_up,) = await eventually(outbox.undelivered, what="given up")
        assert given_up["reason"].startswith("HTTP 307")
        assert inner.requests == []


async def test_a_receiver_that_was_away_learns_all_without_a_storm(
    outbox: Outboxes, receiving: Receiving
) -> None:
    channels = [f"c{n}" for n in range(5)]
    await receiving.stop()
    async with outbox.dispatching(webhook(receiving)):
        for state in ("firing", "resolved"):
            await outbox.change(*(alert(state, channel) for channel in channels))
        await outbox.change(*(alert("firing", channel, began=9) for channel in channels))
        await asyncio.sleep(0)
        await receiving.start()
        await receiving.until(lambda: len(receiving.distinct) == 15, "all")
    for channel in channels:
        states = [state for one, state in receiving.distinct if one == channel]
        assert states == ["firing", "resolved", "firing"]
    assert len(receiving.messages) <= 4, "one for each of their changes, not one for each alert"


def _has(receiving: Receiving, channel: str) -> bool:
    return (channel, "firing") in receiving.distinct


async def test_one_that_is_dead_delays_no_other(outbox: Outboxes, receiving: Receiving) -> None:
    async with Receiving() as dead:
        dead.answers.extend([_never] * 100)
        slow = webhook(dead, name="dead", timeout_s=120.0)
        async with outbox.dispatching(slow, webhook(receiving)):
            for n in range(3):
                channel = f"c{n}"
                began = time.monotonic()
                await outbox.change(alert(channel=channel))
                await receiving.until(partial(_has, receiving, channel), "told")
                assert time.monotonic() - began < 10 * PATIENCE
            await dead.until(lambda: dead.requests, "asked, too")
        assert len(dead.requests) == 1


async def test_silenced_alerts_are_told_when_the_silence_is_over(
    outbox: Outboxes, receiving: Receiving
) -> None:
    await outbox.silence("quiet", 3600, labels={"channel": "web"})
    async with outbox.dispatching(webhook(receiving)):
        await outbox.change(alert(), alert(channel="app"))
        await receiving.until(lambda: receiving.messages, "the other")
        await outbox.redis.delete(outbox.keys.silences)
        await receiving.until(lambda: len(receiving.distinct) == 2, "this one, too")
        # One that ends in silence is told of after it: whoever knows it began learns that it ended.
        await outbox.silence("quiet", 3600, labels={"channel": "web"})
        await outbox.change(alert("resolved"), alert("resolved", "app"))
        await receiving.until(lambda: len(receiving.distinct) == 3, "the other's end")
        assert ("web", "resolved") not in receiving.distinct
        await outbox.redis.delete(outbox.keys.silences)
        await receiving.until(lambda: len(receiving.distinct) == 4, "its end")
    assert receiving.distinct[:2] == [("app", "firing"), ("web", "firing")]
    assert receiving.distinct[2:] == [("app", "resolved"), ("web", "resolved")]


async def test_a_new_leader_repeats_nothing(outbox: Outboxes, receiving: Receiving) -> None:
    hook = webhook(receiving)
    async with outbox.dispatching(hook):
        await outbox.change(alert(), alert(channel="app"))
        await receiving.until(lambda: len(receiving.distinct) == 2, "firing")
        both = {"web": "firing", "app": "firing"}
        await eventually(outbox.told, both.__eq__, what="both kept for the next leader")
    async with outbox.dispatching(hook):
        await outbox.change(alert("resolved"))
        await receiving.until(lambda: len(receiving.distinct) == 3, "resolved")
        await eventually(outbox.told, {"app": "firing"}.__eq__, what="only what fires is kept")
    assert len(receiving.messages) == 2


async def test_what_cannot_be_read_holds_nothing_up(outbox: Outboxes, receiving: Receiving) -> None:
    await outbox.redis.xadd(outbox.keys.outbox, {"alert": "{"})
    await outbox.redis.xadd(outbox.keys.outbox, {"else": "x"})
    await outbox.redis.hset(outbox.keys.silences, "bad", "{}")
    async with outbox.dispatching(webhook(receiving)):
        await outbox.change(alert())
        await receiving.until(lambda: receiving.messages, "told")
