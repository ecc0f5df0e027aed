"""A webhook aimed at the local network is not asked, unless it is allowed by name.

::

    25  a webhook's host        is connected to   told
        169.254.169.254         never             kept under undelivered, with the reason
        a name for 127.0.0.1    never             kept
        that name, allowed      yes               yes
"""

import pytest

from processor.state.keys import Keys
from processor.state.redis_url import async_client
from tests.harness.waiting import eventually
from tests.notifying.outboxes import Outboxes, alert, receiver
from tests.notifying.receiving import SECRET, Receiving


@pytest.mark.timeout(60)
async def test_f25_a_webhook_to_the_local_network(redis_url: str, redis_prefix: str) -> None:
    redis = async_client(redis_url)
    outbox = Outboxes(redis, Keys(redis_prefix.rstrip(":")))
    async with Receiving() as inner:
        named = inner.url.replace("127.0.0.1", "localhost")
        hosts = {
            "metadata": "http://169.254.169.254/latest/meta-data/",
            "private": "http://10.0.0.1/hook",
            "address": inner.url,
            "name": named,
        }
        guarded = [
            receiver("webhook", url, name=name, allow_private=False, secret=SECRET)
            for name, url in hosts.items()
        ]
        allowed = receiver(
            "webhook",
            named,
            name="allowed",
            allow_private=False,
            allowed_hosts=["localhost"],
            secret=SECRET,
        )
        async with outbox.dispatching(*guarded, allowed):
            await outbox.change(alert())
            refused = await eventually(
                outbox.undelivered, lambda kept: len(kept) >= len(hosts), what="all refused"
            )
            await inner.until(lambda: inner.messages, "the one that is allowed is told")
        assert {one["receiver"] for one in refused} == set(hosts)
        assert all("set allow_private = true" in one["reason"] for one in refused)
        assert {message.receiver for message in inner.messages} == {"allowed"}
        assert len(inner.requests) == len(inner.messages)
    await redis.aclose()
