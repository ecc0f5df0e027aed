"""A dispatcher as a process of its own, to be killed: ``python -m tests.notifying.process``.

Its arguments are Redis's URL, the prefix, and the webhook's address.
"""

import asyncio
import sys

from processor.notifying.dispatcher import Dispatcher
from processor.state.keys import Keys
from processor.state.redis_url import async_client
from tests.notifying.outboxes import now_ms, receiver
from tests.notifying.receiving import SECRET


async def _main(redis_url: str, prefix: str, url: str) -> None:
    hook = receiver("webhook", url, secret=SECRET, max_alerts=3, group_wait_s=0)
    redis = async_client(redis_url)
    dispatcher = Dispatcher([hook], redis=redis, keys=Keys(prefix), now_ms=now_ms)
    await dispatcher.run_forever(lambda: True, asyncio.sleep)


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
