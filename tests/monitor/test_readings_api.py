"""Readings, status, catalogue and health over HTTP."""

import csv
import io
from typing import Any
from urllib.parse import quote

import pytest

from processor.monitor.filters import FilterError, parse_segment
from tests.harness.waiting import eventually
from tests.monitor.publishing import Publishing, reading
from tests.monitor.serving import Served
from tests.monitor.test_stream import ODD

pytestmark = pytest.mark.timeout(60)


async def until_seen(served: Served, revision: int) -> None:
    """Returns when the monitor knows of a tick; of one with readings see `until_read`."""

    async def seen() -> int:
        return served.monitor.hub.place.revision

    await eventually(seen, lambda now: now >= revision, what=f"revision {revision}")


async def until_read(served: Served, revision: int) -> None:
    """Returns when the monitor has a tick's readings: it may know its status before."""

    async def newest() -> int:
        rows = served.monitor.hub.rows.values()
        return max((row.fields["revision"] for row in rows), default=0)

    await eventually(newest, lambda now: now >= revision, what=f"readings of {revision}")


async def get(served: Served, path: str, **parameters: Any) -> Any:
    answer = await served.http.get(path, params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
async def published(served: Served, publishing: Publishing) -> Served:
    revision = await publishing.tick(
        reading("nps", 55.0),
        reading("nps", -5.0, window="1h", low_sample=True),
        reading("nps", 1.0, segment={"channel": "email"}),
        reading("nps", 2.0, segment={"channel": "web", "product": "x"}),
        reading("csat", None, segment={"channel": ODD}),
        reading("csat", 72.0, segment={"channel": "=1+1"}, provisional=True),
        reading("clv", 9.5, currency="USD", unit="money", incomplete=True),
    )
    await until_read(served, revision)
    return served


@pytest.mark.parametrize(
    ("query", "values"),
    [
        ("", [9.5, None, 72.0, -5.0, 55.0, 1.0, 2.0]),
        ("metric=nps,clv&window=24h", [9.5, 55.0, 1.0, 2.0]),
        ("metric=nps&metric=clv&segment=all", [9.5, -5.0, 55.0]),
        ("segment=channel:email", [1.0]),
        ("segment=channel:*&segment=channel:web,product:*", [None, 72.0, 1.0, 2.0]),
        ("segment=product:x,channel:web", [2.0]),
        (f"segment=channel:{quote(quote(ODD, safe=''), safe='')}", [None]),
        ("segment=channel:nobody", []),
    ],
)
async def test_which(published: Served, query: str, values: list[float | None]) -> None:
    answer = (await published.http.get(f"/api/readings?{query}")).json()
    assert [row["value"] for row in answer["readings"]] == values
    assert answer["next"] is None


async def test_rows_tell_state_and_target(published: Served) -> None:
    rows = {row["key"]: row for row in (await get(published, "/api/readings"))["readings"]}
    assert rows["nps|24h|all"]["state"] == "ok"
    assert rows["nps|24h|all"]["target"] == {"level": "good", "label": "50\N{EN DASH}80 good"}
    assert rows["nps|1h|all"]["state"] == "low_sample"
    assert rows["nps|1h|all"]["target"]["level"] == "poor"
    assert rows["csat|24h|channel=%3D1%2B1"]["state"] == "provisional"
    assert rows["csat|24h|channel=%3D1%2B1"]["target"]["level"] == "fair"
    assert rows["clv|24h|all|USD"]["state"] == "incomplete"
    assert rows["clv|24h|all|USD"]["target"] is None
    (odd,) = [row for row in rows.values() if row["segment"] == {"channel": ODD}]
    assert (odd["state"], odd["target"]) == ("no_data", None)


async def test_pages(published: Served) -> None:
    seen: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        page = await get(published, "/api/readings", limit=2, **cursor)
        assert 1 <= len(page["readings"]) <= 2
        seen += page["readings"]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert seen == (await get(published, "/api/readings"))["readings"]


async def test_csv(published: Served) -> None:
    answer = await published.http.get("/api/readings?format=csv&limit=4")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert 'rel="next"' in answer.headers["link"]
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["value"] for row in rows] == ["9.5", "", "72.0", "-5.0"]
    assert [row["segment.channel"] for row in rows] == ["", ODD, "'=1+1", ""]
    assert rows[0]["currency"] == "USD"
    following = answer.headers["link"].partition("<")[2].partition(">")[0]
    rest = (await published.http.get(following)).text
    assert [row["value"] for row in csv.DictReader(io.StringIO(rest))] == ["55.0", "1.0", "2.0"]


async def test_asked_again(published: Served, publishing: Publishing) -> None:
    first = await published.http.get("/api/readings")
    assert first.headers["cache-control"] == "no-cache"
    again = {"If-None-Match": first.headers["etag"]}
    same = await published.http.get("/api/readings", headers=again)
    assert (same.status_code, same.content) == (304, b"")
    assert same.headers["etag"] == first.headers["etag"]
    await until_read(published, await publishing.tick(reading("nps", 56.0)))
    changed = await published.http.get("/api/readings", headers=again)
    assert changed.status_code == 200


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("metric=npss", "metric"),
        ("metric=nps,", "metric"),
        ("window=25h", "window"),
        ("segment=", "segment"),
        ("segment=channel", "segment"),
        ("segment=Channel:x", "segment"),
        ("segment=channel:a,channel:b", "segment"),
        ("segment=channel:%25ff", "segment"),
        ("segment=channel:" + "x" * 65, "segment"),
        ("limit=0", "limit"),
        ("limit=x", "limit"),
        ("cursor=%25", "cursor"),
        ("format=xml", "format"),
    ],
)
async def test_refused(served: Served, query: str, field: str) -> None:
    answer = await served.http.get(f"/api/readings?{query}")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == 422
    assert problem["errors"][0]["field"].startswith(field)


async def test_no_such_path_and_no_such_method(served: Served) -> None:
    for method, path, status in (("GET", "/api/x", 404), ("POST", "/api/readings", 405)):
        answer = await served.http.request(method, path)
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"


async def test_status_before_the_first_tick_and_after(
    served: Served, publishing: Publishing
) -> None:
    before = await get(served, "/api/status")
    assert (before["revision"], before["as_of"], before["stale"]) == (0, None, True)
    assert (await served.http.get("/readyz")).status_code == 503
    revision = await publishing.tick(unclaimed=2)
    await until_seen(served, revision)
    after = await get(served, "/api/status")
    assert (after["revision"], after["open_sessions"], after["unclaimed"]) == (revision, 3, 2)
    reasons = (await served.http.get("/readyz")).json()["checks"]
    assert reasons["partitions"] == {"ok": False, "reason": "2 not claimed yet"}
    await until_seen(served, await publishing.tick())
    ready = await served.http.get("/readyz")
    assert ready.status_code == 200, ready.text
    await until_seen(served, await publishing.tick(age_s=3600))
    assert not (await served.http.get("/readyz")).json()["checks"]["publisher"]["ok"]
    assert (await get(served, "/api/status"))["stale"]


async def test_the_catalogue(served: Served) -> None:
    told = await get(served, "/api/metrics")
    assert [metric["name"] for metric in told["metrics"]] == list(served.monitor.catalogue)
    nps = told["metrics"][0]
    assert (nps["title"], nps["better"], nps["own"]) == ("Net Promoter Score", "higher", False)
    assert nps["target"]["good"] == 50
    assert told["page"]["metrics"] == ["nps", "csat", "ctr", "bounce_rate"]
    assert "24h" in told["windows"]
    assert told["tick_s"] == 1.0


def test_segments_that_cannot_be_read() -> None:
    for text in ("", "a:", ":x", "a:b,", "a:b:c", "a:b*", "a:%ff", ",".join(["a:b"] * 20)):
        with pytest.raises(FilterError):
            parse_segment(text)


@pytest.mark.parametrize("path", ["/", "/api/readings", "/api/alerts", "/static/style.css"])
async def test_head(published: Served, path: str) -> None:
    got, headed = await published.http.get(path), await published.http.head(path)
    assert (headed.status_code, headed.content) == (got.status_code, b"")
    assert headed.headers["content-type"] == got.headers["content-type"]
    assert int(headed.headers["content-length"]) > 0
    assert (await published.http.head("/api/stream")).status_code == 405
    assert (await published.http.head("/logout")).status_code == 405


_PAST = "/api/history?metric=nps&window=24h&to=2026-03-01T00:00:00Z"


@pytest.mark.parametrize("path", ["/static/style.css", _PAST])
async def test_tags_are_weak(published: Served, path: str) -> None:
    got = await published.http.get(path)
    assert got.headers["etag"].startswith('W/"')
    again = {"If-None-Match": got.headers["etag"]}
    assert (await published.http.get(path, headers=again)).status_code == 304
