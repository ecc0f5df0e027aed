"""Alerts posted to a real Alertmanager, and what it makes of them."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.harness.waiting import eventually
from tests.notifying.alertmanager import Alertmanager, find
from tests.notifying.outboxes import Outboxes, alert, receiver
from tests.notifying.receiving import Receiving
from tests.notifying.strict_alertmanager import StrictAlertmanager

pytestmark = pytest.mark.timeout(90)


@pytest.fixture
async def hook() -> AsyncIterator[Receiving]:
    """What Alertmanager tells: its own messages are measured as ours are."""
    async with Receiving(signed=False) as hook:
        yield hook


@pytest.fixture
async def alertmanager(
    tmp_path: Path, hook: Receiving
) -> AsyncIterator[Alertmanager | StrictAlertmanager]:
    """The real one where there is one."""
    binary = find()
    server = Alertmanager(binary, tmp_path, hook.url) if binary else StrictAlertmanager()
    print(f"alerts are posted to {binary or 'a receiver of the tests own'}")  # noqa: T201
    try:
        await server.start()
        yield server
    finally:
        await server.stop()


async def channels(server: Alertmanager | StrictAlertmanager) -> list[str]:
    return sorted(await server.alerts())


async def test_alertmanager_has_what_fires_and_forgets_what_ended(
    outbox: Outboxes, alertmanager: Alertmanager | StrictAlertmanager, hook: Receiving
) -> None:
    to = receiver("alertmanager", alertmanager.url, resend_every="1s")
    async with outbox.dispatching(to):
        await outbox.change(alert("pending"), alert("pending", "app"))
        await outbox.change(alert(), alert(channel="app"))
        both = await eventually(
            alertmanager.alerts, lambda rows: rows.keys() == {"app", "web"}, what="both"
        )
        row = both["web"]
        assert row["annotations"] == {"summary": "NPS is low"}
        assert str(row["generatorURL"]).endswith("/?window=24h&metric=nps&segment=channel:web")
        assert row["startsAt"] == "2026-02-25T06:13:20.000Z"
        ends = datetime.fromisoformat(str(row["endsAt"]))
        assert ends <= datetime.now(UTC) + timedelta(seconds=4)

        async def ends_later() -> bool:
            row = (await alertmanager.alerts()).get("web")
            return row is not None and datetime.fromisoformat(str(row["endsAt"])) > ends

        await eventually(ends_later, what="sent again")
        if isinstance(alertmanager, Alertmanager):
            # Our measure of webhooks is that of its own. Killed below, it tells no more of this.
            await hook.until(lambda: ("web", "firing") in hook.distinct, "told by Alertmanager")
        await outbox.change(alert("resolved"))
        await eventually(lambda: channels(alertmanager), ["app"].__eq__, what="one is over")

        # It comes back with nothing remembered: what fires is there soon, what ended is not.
        await alertmanager.stop()
        await outbox.change(alert(channel="shop"))
        await alertmanager.start()
        await eventually(lambda: channels(alertmanager), ["app", "shop"].__eq__, what="again")


async def test_what_is_not_sent_again_ends_by_itself(
    outbox: Outboxes, alertmanager: Alertmanager | StrictAlertmanager
) -> None:
    to = receiver("alertmanager", alertmanager.url, resend_every="1s")
    async with outbox.dispatching(to):
        await outbox.change(alert())
        await eventually(lambda: channels(alertmanager), ["web"].__eq__, what="firing")
    await eventually(lambda: channels(alertmanager), [].__eq__, what="nobody sends it any more")
