"""Files that are whole or called partial."""

import gzip
from pathlib import Path

import pytest

from processor.recording.files import Compression, PartialFileError, WholeFile
from processor.replay import read_log


@pytest.mark.parametrize("name", ["log.jsonl", "log.jsonl.gz", "log.jsonl.zst"])
def test_a_file_has_its_name_when_it_is_whole(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"of before")
    (tmp_path / f"{name}.partial").write_bytes(b"of a run that was killed")
    with WholeFile(path) as file:
        assert file.write([b"one", b"two"]) == 8
        file.flush()
        assert path.read_bytes() == b"of before"
        file.write([b"three"])
    assert [line for chunk in read_log(path) for line in chunk.lines] == [b"one", b"two", b"three"]
    assert list(tmp_path.iterdir()) == [path]


def break_off(path: Path, lines: list[bytes]) -> None:
    file = WholeFile(path)
    if lines:
        file.write(lines)
    file.__exit__(BrokenPipeError, BrokenPipeError(), None)


@pytest.mark.parametrize("name", ["log.jsonl", "log.jsonl.gz", "log.jsonl.zst"])
def test_after_an_error_what_there_is_stays_readable(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    break_off(path, [b"one"])
    (left,) = tmp_path.iterdir()
    assert left.name == f"{name}.partial"
    assert [line for chunk in read_log(left) for line in chunk.lines] == [b"one"]
    break_off(tmp_path / "other", [])
    assert list(tmp_path.iterdir()) == [left]


def test_one_process_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with WholeFile(path) as file:
        file.write([b"one"])
        with pytest.raises(PartialFileError, match="another process"):
            WholeFile(path)
    assert path.read_bytes() == b"one\n"


def test_links_folders_and_devices(tmp_path: Path) -> None:
    link, path = tmp_path / "link", tmp_path / "log"
    link.symlink_to(path)
    with WholeFile(link, Compression.GZ) as file:
        file.write([b"one"])
    assert link.is_symlink()
    assert gzip.decompress(path.read_bytes()) == b"one\n"
    with pytest.raises(IsADirectoryError, match="name a file"):
        WholeFile(tmp_path)
    with WholeFile("/dev/null") as device:
        device.write([b"one"])
    assert Path("/dev/null").is_char_device()
