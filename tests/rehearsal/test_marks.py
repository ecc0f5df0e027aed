"""Marks: a worker that counts no replay leaves them out, and calls them no error."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from processor.streaming.fetching import RecordBatch
from processor.streaming.marks import HEADER, Act, Mark, mark_of, pieces
from tests.harness.kafka import Record, create_topics, read_all, send
from tests.harness.waiting import PATIENCE, eventually
from tests.harness.worker import Deployment, WorkerProcess

ANSWER = (
    b'{"type":"survey_response","event_id":"e1","occurred_at":"2026-03-01T10:00:00Z",'
    b'"survey":"nps","score":9}'
)
CLOSE = [(HEADER, Mark(Act.CLOSE, 0, 1).encode())]


def batch(*records: SimpleNamespace) -> RecordBatch:
    return RecordBatch("t", 0, 1, 0, len(records), list(records))


def test_a_batch_is_cut_at_its_marks() -> None:
    event = SimpleNamespace(value=ANSWER, headers=[(HEADER, b"1")])
    mark = SimpleNamespace(value=None, headers=CLOSE)
    tombstone = SimpleNamespace(value=None, headers=[])
    cut = [(len(p.records), p.mark) for p in pieces(batch(event, mark, mark, tombstone, event))]
    close = Mark(Act.CLOSE, 0, 1)
    assert cut == [(1, close), (0, close), (2, None)]


@pytest.mark.parametrize("value", [b"", b"1", b"1 explode 0", b"x close 0", b"1 close", b"\xff"])
def test_what_looks_like_a_mark_is_none(value: bytes) -> None:
    assert mark_of([(HEADER, value)]) is None


@pytest.mark.timeout(120)
async def test_an_ordinary_worker_leaves_marks_out(
    kafka_bootstrap: str, redis_url: str, topic_prefix: str, redis_prefix: str, tmp_path: Path
) -> None:
    deployment = Deployment(kafka_bootstrap, redis_url, topic_prefix, redis_prefix.rstrip(":"))
    await create_topics(deployment, partitions=1)
    topic = deployment.topic("survey-response")
    mark = Record(topic, HEADER.encode(), None, headers=CLOSE)
    tombstone = Record(topic, b"k", None)
    event = Record(topic, b"e1", ANSWER)
    await send(deployment, [mark, event, mark, tombstone, mark])

    async def letters() -> int:
        return len(await read_all(deployment, f"{topic}.dlq"))

    with WorkerProcess(deployment, tmp_path) as worker:
        await worker.until_ready()
        await eventually(letters, what="the tombstone's dead letter")
        code, _ = worker.terminate(30 * PATIENCE)
    assert code == 0
    assert await letters() == 1  # of the tombstone, and of no mark
