import gzip
import io
import os
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from processor.replay import LogError, read_log
from processor.replay.log import Position, require_readable

LINES = [b'{"number":%d,"text":"%s"}' % (i, os.urandom(20).hex().encode()) for i in range(30_000)]
TEXT = b"".join(line + b"\n" for line in LINES)


def zstd(data: bytes) -> bytes:
    return zstandard.compress(data)


COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "zstd": zstd,
}


def lines_of(path: Path | str, lines_per_chunk: int = 1000) -> list[bytes]:
    return [
        line for chunk in read_log(path, lines_per_chunk=lines_per_chunk) for line in chunk.lines
    ]


@pytest.mark.parametrize("compress", COMPRESSIONS.values(), ids=COMPRESSIONS)
def test_a_log_is_read_line_by_line_however_it_is_compressed_and_named(
    tmp_path: Path, compress: Callable[[bytes], bytes]
) -> None:
    log = tmp_path / "log"
    log.write_bytes(compress(TEXT))
    log.chmod(0o444)
    assert lines_of(log) == LINES


@pytest.mark.parametrize("compress", [gzip.compress, zstd], ids=["gzip", "zstd"])
def test_compressed_files_put_one_after_another_are_one_log(
    tmp_path: Path, compress: Callable[[bytes], bytes]
) -> None:
    log = tmp_path / "log"
    log.write_bytes(compress(b"1\n2") + compress(b"3\n4\n"))
    assert lines_of(log) == [b"1", b"23", b"4"]


@pytest.mark.parametrize("compress", [gzip.compress, zstd], ids=["gzip", "zstd"])
def test_a_cut_off_file_gives_its_complete_lines_and_then_an_error(
    tmp_path: Path, compress: Callable[[bytes], bytes]
) -> None:
    log = tmp_path / "log.jsonl.z"
    data = compress(TEXT)
    log.write_bytes(data[: len(data) * 2 // 3])
    read: list[bytes] = []
    with pytest.raises(LogError, match=r"log\.jsonl\.z: the compressed file is cut off.*again"):
        read.extend(line for chunk in read_log(log) for line in chunk.lines)
    assert 5_000 < len(read) < len(LINES)
    assert read == LINES[: len(read)]


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    log = tmp_path / "log.gz"
    data = bytearray(gzip.compress(TEXT))
    data[-6] ^= 1  # its checksum
    log.write_bytes(data)
    with pytest.raises(LogError, match=r"log\.gz: the compressed file is damaged"):
        lines_of(log)


def test_a_few_bytes_that_hold_gigabytes_are_read_in_little_memory(tmp_path: Path) -> None:
    """A gigabyte of zeros without a line end, in some 30 KB."""
    log = tmp_path / "log"
    compressor = zstandard.ZstdCompressor(level=1).compressobj()
    zeros = bytes(16 * 1024 * 1024)
    parts = [compressor.compress(zeros) for _ in range(64)]
    log.write_bytes(b"".join(parts) + compressor.flush() + zstandard.compress(b"\nnext\n"))
    tracemalloc.start()
    try:
        first, second = lines_of(log)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert second == b"next"
    assert len(first) < 64 * 1024 * 1024
    assert peak < 300 * 1024 * 1024


@pytest.mark.parametrize("compress", COMPRESSIONS.values(), ids=COMPRESSIONS)
def test_the_position_tells_how_far_the_logs_are_read(
    tmp_path: Path, compress: Callable[[bytes], bytes]
) -> None:
    logs = [tmp_path / "a", tmp_path / "b"]
    for log in logs:
        log.write_bytes(compress(TEXT))
    position = Position.of(logs)
    assert position.bytes_total == 2 * len(compress(TEXT))
    shares = []
    for log in logs:
        for chunk in read_log(log, lines_per_chunk=1000, position=position):
            assert chunk.lines
            shares.append(position.bytes_read / position.bytes_total)
    assert shares == sorted(shares)
    assert 0 < shares[0] < 0.3
    assert shares[-1] == 1
    assert position.lines == 2 * len(LINES)


def test_of_a_pipe_it_is_not_known_how_much_there_is(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    holder = os.open(fifo, os.O_RDWR)
    try:
        assert Position.of([fifo]).bytes_total is None
    finally:
        os.close(holder)


@pytest.mark.parametrize("lines_per_chunk", [1, 3, 1000])
def test_chunks_know_where_their_lines_stand(tmp_path: Path, lines_per_chunk: int) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"".join(b"%d\n" % number for number in range(1, 2501)))
    for chunk in read_log(log, lines_per_chunk=lines_per_chunk):
        assert len(chunk.lines) <= lines_per_chunk
        assert chunk.name == str(log)
        assert [int(line) for line in chunk.lines] == list(
            range(chunk.first_line, chunk.first_line + len(chunk.lines))
        )


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"a\nb", [b"a", b"b"]),
        (b"a\r\n\r\nb\r\n", [b"a", b"", b"b"]),
        (b"\xef\xbb\xbfa\n", [b"a"]),
        (b"\n\na\n", [b"", b"", b"a"]),
    ],
)
def test_line_ends_of_every_kind(tmp_path: Path, data: bytes, lines: list[bytes]) -> None:
    log = tmp_path / "log"
    log.write_bytes(data)
    assert lines_of(log) == lines


def test_a_line_without_an_end_is_cut(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"x" * (40 * 1024 * 1024) + b"\nnext\n")
    first, second = lines_of(log)
    assert 16 * 1024 * 1024 <= len(first) < 20 * 1024 * 1024
    assert second == b"next"


@pytest.mark.parametrize("compress", COMPRESSIONS.values(), ids=COMPRESSIONS)
def test_standard_input_is_a_log(
    monkeypatch: pytest.MonkeyPatch, compress: Callable[[bytes], bytes]
) -> None:
    data = io.BufferedReader(io.BytesIO(compress(TEXT)))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(data))
    assert lines_of("-") == LINES


def test_a_missing_file_and_a_folder_are_named_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(LogError, match=r"nowhere\.jsonl: there is no such file; check the path"):
        require_readable(["-", tmp_path / "nowhere.jsonl"])
    with pytest.raises(LogError, match="cannot be opened: Is a directory"):
        require_readable([tmp_path])
