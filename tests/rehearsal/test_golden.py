"""The golden readings, through a real Kafka and workers, to the last byte."""

from typing import Any

import pytest

from processor.core.panes import parse_duration_ms
from processor.rehearsal import replay_through_kafka
from processor.replay import to_line
from processor.settings import Settings
from schemas.timestamps import parse_rfc3339
from tests.golden.scenarios import GOLDENS, NOW, Golden

IN_EVERY_RUN = "incidents/every-1m"


@pytest.mark.parametrize(
    "golden",
    [
        pytest.param(
            golden,
            id=golden.name,
            marks=() if golden.name == IN_EVERY_RUN else pytest.mark.soak,
        )
        for golden in GOLDENS
    ],
)
@pytest.mark.timeout(300)
def test_the_readings_are_those_on_file(
    golden: Golden, kafka_bootstrap: str, redis_url: str
) -> None:
    options = dict(golden.options)
    every = options.pop("every", None)
    servers: dict[str, Any] = {
        "kafka": {"bootstrap": kafka_bootstrap},
        "redis": {"url": redis_url},
        "engine": {
            "windows": options["windows"],
            "segments": [[dimension] for dimension in options["by"]],
        },
        "publisher": {"metrics": options.get("metrics")},
    }
    replayed = replay_through_kafka(
        [golden.log],
        settings=Settings(**servers),
        workers=1,
        partitions=3,
        every_ms=None if every is None else parse_duration_ms(every),
        final=golden.is_final,
        now_ms=parse_rfc3339(NOW),
    )
    assert "".join(map(to_line, replayed)) == golden.file.read_text(encoding="utf-8")
