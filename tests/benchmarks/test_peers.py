"""What the peers are given and compared with, and stock Faust through the whole of it.

The others run in environments of their own, in `python -m benchmarks.peers check`.
"""

import asyncio
import hashlib
import re
from pathlib import Path

import pytest

from benchmarks.events import produce
from benchmarks.peers import PEERS, PeerError, environments, is_prepared, run_peer
from benchmarks.peers.checking import by_this_processor, net, small_log
from benchmarks.peers.environments import lock_of
from benchmarks.peers.log import hopping
from benchmarks.peers.running import PROGRAMS, first_difference

LOCKED = sorted({peer.environment for peer in PEERS.values() if peer.environment})


def answer(at: str, channel: str, score: int) -> bytes:
    return b'{"occurred_at":"2026-03-01T%bZ","score":%d,"dimensions":{"channel":"%b"}}' % (
        at.encode(),
        score,
        channel.encode(),
    )


def test_an_answer_is_in_each_window_that_it_falls_in() -> None:
    #   12:00     12:05     12:10
    #     |         |  9      |
    #          [from 12:02 to 12:07)  is the first window with it, [12:06, 12:11) the last
    windows = hopping([answer("12:06:59.999", "web", 9)], 60_000)
    starts = [(start_ms // 60_000) % 60 for start_ms, _ in sorted(windows)]
    assert starts == [2, 3, 4, 5, 6]
    assert set(windows.values()) == {(1, 0, 0)}


def test_windows_are_half_open() -> None:
    windows = hopping([answer("12:05:00", "web", 9)], 60_000)
    assert [(start_ms // 60_000) % 60 for start_ms, _ in sorted(windows)] == [1, 2, 3, 4, 5]


def test_a_finer_step_is_more_windows() -> None:
    assert len(hopping([answer("12:06:59.999", "web", 9)], 5_000)) == 60


def test_promoters_passives_and_detractors_by_channel() -> None:
    log = [answer("12:00:00", "web", score) for score in range(11)]
    windows = hopping([*log, answer("12:00:30", "app", 7)], 300_000)
    assert sorted(windows.values()) == [(0, 1, 0), (2, 2, 7)]
    assert sorted(net(windows).values()) == [(100 * (2 - 7) / 11, 11), (0.0, 1)]


def test_brute_force_agrees_with_this_processor() -> None:
    records = [record for _, _, record in small_log(3_000)]
    windows = net(hopping(records, 60_000))
    assert len(windows) > 100
    assert first_difference(by_this_processor(records), windows) is None


def test_the_first_difference_is_told() -> None:
    expected = {(60_000, "web"): (1, 2, 3), (0, "app"): (1, 0, 0)}
    assert first_difference(expected, dict(expected)) is None
    assert first_difference(expected | {(60_000, "web"): (1, 2, 4)}, expected) == (
        "the window of web from 1970-01-01T00:01:00.000Z has 1/2/4 and must have 1/2/3"
    )
    assert first_difference({(60_000, "web"): (1, 2, 3)}, expected) == (
        "the window of app from 1970-01-01T00:00:00.000Z has no answers and must have 1/0/0"
    )


@pytest.mark.parametrize("environment", LOCKED)
def test_locks_have_hashes_versions_and_no_addresses(environment: str) -> None:
    lock = lock_of(environment).read_text()
    assert "://" not in lock
    assert "index" not in re.findall(r"^--(\w+)", lock, re.MULTILINE)
    requirements = re.split(r"\n(?=[a-z])", lock.strip())
    assert all("==" in one and "--hash=sha256:" in one for one in requirements)
    asked = lock_of(environment).with_suffix(".in").read_text().strip()
    name, version = re.sub(r"\[.*\]", "", asked).split("==")
    assert f"\n{name}=={version} " in f"\n{lock}"


def test_every_peer_has_its_program() -> None:
    assert all((PROGRAMS / peer.program).is_file() for peer in PEERS.values())


def test_an_environment_is_of_its_present_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environments, "ROOT", tmp_path)
    assert is_prepared("faust")  # it is this project's own
    assert not is_prepared("bytewax")
    (tmp_path / "bytewax").mkdir()
    stamp = tmp_path / "bytewax" / "installed"
    stamp.write_text(hashlib.sha256(lock_of("bytewax").read_bytes()).hexdigest())
    assert is_prepared("bytewax")
    stamp.write_text("of another lock")
    assert not is_prepared("bytewax")


@pytest.mark.timeout(180)
async def test_faust_counts_what_brute_force_counts(
    kafka_bootstrap: str, topic_prefix: str
) -> None:
    """`run_peer` raises where a window differs."""
    await produce(kafka_bootstrap, topic_prefix, small_log(1_500))
    outcome = await asyncio.to_thread(run_peer, "faust", kafka_bootstrap, topic_prefix, 1_000)
    assert outcome["events"] == 999  # the first is where measuring begins
    assert outcome["cpu_s"] > 0
    assert outcome["per_cpu_s"] == outcome["events"] / outcome["cpu_s"]
    assert outcome["rss_mb"] > 10


@pytest.mark.timeout(120)
async def test_a_log_that_is_too_short_is_an_error(kafka_bootstrap: str, topic_prefix: str) -> None:
    await produce(kafka_bootstrap, topic_prefix, small_log(10))
    with pytest.raises(ValueError, match="has 10 answers, fewer than 11"):
        await asyncio.to_thread(run_peer, "aiokafka", kafka_bootstrap, topic_prefix, 11)


async def test_what_a_program_said_last_is_told(
    kafka_bootstrap: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await produce(kafka_bootstrap, topic_prefix, small_log(10))
    monkeypatch.setattr(environments, "python_of", lambda _: Path("false"))
    with pytest.raises(PeerError, match="aiokafka, getmany only: exit code 1"):
        await asyncio.to_thread(run_peer, "aiokafka", kafka_bootstrap, topic_prefix, 10)
