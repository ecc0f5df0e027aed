"""``cxpulse diff`` as a person, or a pipeline, meets it."""

import json
import subprocess
from pathlib import Path

import pytest

from processor.cli import main
from tests.cli.commands import SECONDS, cxpulse
from tests.replay.test_comparison import reading, write

TABLES = """\
series               window_end                field      A                           B
csat|1h|all          2026-03-01T12:00:00.000Z  only in A  line 3
nps|1h|all           2026-03-01T12:00:00.000Z  as_of      "2026-03-01T11:58:00.000Z"  "2026-03-01T11:59:00.000Z"
                                               value      25.0                        24.5
nps|1h|channel=e%1B  2026-03-01T12:00:00.000Z  only in B                              line 2

metric  compared  equal  differing  only in A  only in B  largest
csat           0      0          0          1          0        0
nps            2      1          1          0          1      0.5
"""  # noqa: E501 - columns are as wide as what they hold


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    a = [reading(), reading(window="5m"), reading(metric="csat")]
    b = [
        reading(window="5m"),
        reading(segment={"channel": "e\x1b"}),
        reading(value=24.5, as_of="2026-03-01T11:59:00.000Z"),
    ]
    return write(tmp_path / "a.jsonl", a), write(tmp_path / "b.jsonl", b)


def test_tables_of_what_differs(files: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", *files]) == 1
    out, err = capsys.readouterr()
    assert out == TABLES
    assert err == "differ: 1 of 2 rows, 1 only in A, 1 only in B\n"

    assert main(["diff", *files, "--show", "1"]) == 1
    out, _ = capsys.readouterr()
    assert out.splitlines()[2:] == TABLES.splitlines()[5:]


def test_what_differs_as_json(files: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", *files, "--json", "--ignore", "as_of"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["equal"] is False
    assert found["metrics"]["nps"]["fields"] == {"value": 1}
    assert found["total"]["compared"] == 2
    assert [d["kind"] for d in found["differences"]] == ["only_a", "fields", "only_b"]
    assert found["differences"][1]["fields"] == {"value": {"a": 25.0, "b": 24.5}}


def test_equal_files_leave_standard_output_empty(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a = write(tmp_path / "a.jsonl", [reading(), reading(metric="csat")])
    b = write(tmp_path / "b.jsonl", [reading(metric="csat"), reading(value=25.1, revision=9)])
    assert main(["diff", a, a]) == 0
    assert capsys.readouterr() == ("", "equal: 2 rows of 2 metrics\n")
    assert main(["diff", a, b, "--tolerance", "1%", "--ignore", "revision"]) == 0
    assert capsys.readouterr().out.split()[-1] == "0.1"  # what was tolerated is told
    assert main(["diff", a, b, "--ignore", "revision"]) == 1


def test_one_of_the_two_may_be_standard_input(tmp_path: Path) -> None:
    a = write(tmp_path / "a.jsonl", [reading()])
    for arguments in (("-", a), (a, "-")):
        done = subprocess.run(
            cxpulse("diff", *arguments),
            input=Path(a).read_bytes(),
            capture_output=True,
            check=False,
            timeout=SECONDS,
        )
        assert (done.returncode, done.stderr) == (0, b"equal: 1 rows of 1 metrics\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-", "-"], "only one of A and B"),
        (["a", "b", "--tolerance", "much"], "--tolerance: 'much'"),
        (["a", "b", "--ignore", "metric"], "--ignore: metric: can be as_of"),
        (["a", "b", "--show", "-1"], "--show"),
        (["a"], "'B'"),
    ],
)
def test_wrong_usage(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_a_line_that_is_no_reading(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"metric":"nps"}\n')
    assert main(["diff", str(bad), str(bad)]) == 1
    assert capsys.readouterr().err.startswith(f"error: {bad}:1: not a reading: ")
    assert main(["diff", str(bad), str(tmp_path / "none")]) == 1


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", "--help"]) == 0
    assert "Example: cxpulse diff" in capsys.readouterr().out
