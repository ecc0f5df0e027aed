"""Redis as people run it: a cluster, Sentinels, TLS and a user with few rights.

::

    cluster   worker   |------------------------------|
              slots    |   <-- one moves -->          |
              masters  |                   x replica  |   x: kill -9

    sentinel  worker   |------------------------------|
              replica  |     : cut off                |   what is written now is lost
              master   |     :------x promoted        |

Expected: equal, without a restart of the worker; what was lost with a master is counted again.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import pytest
import redis
from redis.crc import key_slot

from processor.embedded.redis import EmbeddedRedis, binaries
from processor.embedded.server import free_port
from tests.faults.conftest import NewScenario
from tests.faults.scenario import Scenario
from tests.harness.certificates import Authority
from tests.harness.proxy import LossyProxy
from tests.harness.redis_cluster import Cluster
from tests.harness.redis_sentinel import Replicated
from tests.harness.running import say
from tests.harness.waiting import eventually

RECORDS: Final = 20_000
OVER_S: Final = 9.0
GUIDE: Final = Path(__file__).parents[2] / "docs" / "redis.md"
PASSWORD: Final = "p@ss/word"

LOST_RECORDS: Final = 2_000
"""Counted by a master whose replica does not know it."""


_NEWEST, *_OTHERS = reversed(list(binaries()))


@pytest.fixture(params=[_NEWEST, *(pytest.param(b, marks=pytest.mark.soak) for b in _OTHERS)])
def binary(request: pytest.FixtureRequest) -> Path:
    return binaries()[request.param]


@pytest.fixture
def cluster(binary: Path) -> Iterator[Cluster]:
    with Cluster(binary, replicas=3) as running:
        yield running


@pytest.fixture
def replicated(binary: Path) -> Iterator[Replicated]:
    with Replicated(binary) as running:
        yield running


@pytest.mark.timeout(180)
async def test_a_cluster_whose_slots_and_masters_change(
    new_scenario: NewScenario, cluster: Cluster
) -> None:
    scenario = new_scenario(redis_url=cluster.url, settings={"REDIS__TIMEOUT_S": "2"})
    log = scenario.write_log(RECORDS, over_s=OVER_S)
    await scenario.create_topics()
    with scenario.worker() as worker:
        await worker.until_ready()
        sending = scenario.sending(OVER_S / 3, log[:6_000])
        await scenario.until_counted(1_000)
        # A survey partition's: the busiest.
        key = scenario.state.keys.partition(*scenario.partitions[0]).meta
        source = await asyncio.to_thread(cluster.owner, key)
        target = next(master for master in cluster.masters if master is not source)
        with cluster.moving(key_slot(key.encode()), target) as step:
            while await asyncio.to_thread(step):
                pass
        await sending
        sending = scenario.sending(OVER_S / 3, log[6_000:14_000])
        await scenario.until_more_counted(1_000)
        # The publisher's: readings and lease move to another master, too.
        leader = await asyncio.to_thread(cluster.owner, scenario.state.keys.status)
        await asyncio.to_thread(cluster.fail_over, leader)
        revision = await until_published(scenario, 0)
        await sending
        # What its replica did not know is noticed by what comes now.
        await scenario.sending(OVER_S / 3, log[14_000:])
        await until_published(scenario, revision)
        await scenario.equal()
        assert worker.running


async def until_published(scenario: Scenario, after: int) -> int:
    return await eventually(
        scenario.state.revision, lambda now: now > after, what=f"a tick after {after}"
    )


@pytest.mark.timeout(180)
async def test_a_master_that_takes_counts_with_it(
    new_scenario: NewScenario, replicated: Replicated
) -> None:
    scenario = new_scenario(redis_url=replicated.url, settings={"REDIS__TIMEOUT_S": "2"})
    log = scenario.write_log(RECORDS, over_s=OVER_S)
    await scenario.create_topics()
    with scenario.worker() as worker:
        await worker.until_ready()
        sending = scenario.sending(OVER_S / 3, log[:6_000])
        await scenario.until_counted(3_000)
        await sending
        sending = scenario.sending(OVER_S / 3, log[6_000:14_000])
        await asyncio.to_thread(replicated.cut_off)
        await scenario.until_more_counted(LOST_RECORDS)
        at = await scenario.counted()
        await asyncio.to_thread(replicated.fail_over)
        await eventually(
            lambda: asyncio.to_thread(replicated.promoted), what="the replica promoted"
        )
        await sending
        sending = scenario.sending(OVER_S / 3, log[14_000:])  # to be put where it was promoted
        await eventually(
            lambda: asyncio.to_thread(worker.log_lines, "reading again from there"),
            what="the worker noticing what was lost",
        )
        say(f"the master went at {at:,} records counted")
        await sending
        await scenario.equal()
        assert worker.running


def documented_rights(prefix: str) -> list[str]:
    """The user's rights as the guide has them, for another key prefix."""
    line = next(n for n in GUIDE.read_text().splitlines() if n.startswith("user cxpulse "))
    return [word.replace("~cx:", f"~{prefix}:") for word in line.split()[4:]]


def speaks_tls(binary: Path) -> bool:
    """Whether the server was built with TLS: only then it knows the option."""
    return b"tls-cert-file" in binary.read_bytes()


@asynccontextmanager
async def over_tls(binary: Path, folder: Path) -> AsyncIterator[tuple[EmbeddedRedis, str]]:
    """A Redis over TLS, and its ``localhost:port?options``; a build without TLS gets a front."""
    authority = Authority(folder)
    pair = authority.issue("localhost")
    options = f"ssl_ca_certs={authority.file}"
    async with AsyncExitStack() as stack:
        if speaks_tls(binary):
            port = free_port()
            files = {
                "tls-port": port,
                "tls-cert-file": pair.certificate,
                "tls-key-file": pair.key,
                "tls-ca-cert-file": authority.file,
            }
            words = [str(word) for name, file in files.items() for word in (f"--{name}", file)]
            server = stack.enter_context(EmbeddedRedis(binary=binary, extra_args=words))
            mine = authority.issue("worker")  # the server asks for its clients' certificates
            options += f"&ssl_certfile={mine.certificate}&ssl_keyfile={mine.key}"
        else:
            server = stack.enter_context(EmbeddedRedis(binary=binary))
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(pair.both)
            front = await stack.enter_async_context(LossyProxy(server.url, context))
            port = int(front.url.rpartition(":")[2].partition("/")[0])
        yield server, f"localhost:{port}/0?{options}"


@pytest.mark.timeout(180)
async def test_tls_with_an_own_authority_and_a_user_with_few_rights(
    new_scenario: NewScenario, binary: Path, tmp_path: Path, redis_prefix: str
) -> None:
    async with over_tls(binary, tmp_path / "tls") as (server, place):
        with redis.Redis.from_url(server.url) as admin:
            rights = documented_rights(redis_prefix.rstrip(":"))
            admin.execute_command("ACL SETUSER", "cxpulse", "on", f">{PASSWORD}", *rights)
            admin.set("not-ours", 1)
        scenario = new_scenario(redis_url=f"rediss://cxpulse:p%40ss%2Fword@{place}")
        scenario.write_log(5_000)
        await scenario.create_topics()
        with scenario.worker() as worker:
            await worker.until_ready()
            await scenario.send()
            await scenario.equal()
            assert PASSWORD not in worker.log_file.read_text()
            # Beside the loop, which may be the worker's way to Redis.
            code, _ = await asyncio.to_thread(worker.terminate, 30)
            assert code == 0
        with pytest.raises(redis.exceptions.NoPermissionError):
            await scenario.state.redis.get("not-ours")
