"""Parquet files as event logs: a row is an event.

What a row becomes, as the line of an event log that says the same:

- a column is a field by its name; columns that no event knows are ignored, as such fields are;
- null is a field left out, in a struct, too;
- a struct, or a map with keys of text, is an object: ``dimensions``, ``answers``;
- a timestamp with a zone, or a text in RFC 3339, is a date-time; a timestamp without a zone stays
  without an offset, and is refused as such a text is;
- a decimal is a decimal text, exactly: ``amount``;
- integers, booleans and texts are what they are; a float is, too, but a whole one is written as an
  integer: a column of integers with nulls comes out of many tools as floats.

Of a time finer than a millisecond the rest is cut off, as of a text. Rows are numbered from 1.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import IO, Any, Final

from pydantic_core import to_json

PARQUET_MAGIC: Final = b"PAR1"

_ROWS: Final = 1_000


class ParquetError(Exception):
    """A file that cannot be read as Parquet; the message says why and what to do."""


def parquet_lines(file: IO[bytes]) -> Iterator[tuple[list[bytes], float]]:
    """The rows of a Parquet file as lines of an event log.

    Args:
        file: can be sought in.

    Yields:
        Some lines, and the share of the rows that is done with them.

    Raises:
        ParquetError: pyarrow is not installed, or cannot read the file.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra, and slow to import
        from pyarrow import parquet as pq  # noqa: PLC0415 - as above
    except ImportError:
        raise ParquetError(
            "Parquet needs pyarrow: pip install 'cxpulse[parquet]', or write the log as .jsonl"
        ) from None
    try:
        with pq.ParquetFile(file) as table:
            schema = _in_ms(pa, table.schema_arrow)
            rows, done = table.metadata.num_rows, 0
            for batch in table.iter_batches(batch_size=_ROWS):
                cut = batch.cast(schema, safe=False)
                lines = [_line_of(row) for row in cut.to_pylist(maps_as_pydicts="strict")]
                done += len(lines)
                yield lines, done / rows
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise ParquetError(
            f"cannot be read as Parquet ({' '.join(str(error).split())}); "
            "what came before was used. Write it again, or as .jsonl"
        ) from error


def _in_ms(pa: Any, schema: Any) -> Any:
    """The schema with its times in milliseconds: Python has nothing finer than microseconds."""
    for index, column in enumerate(schema):
        if pa.types.is_timestamp(column.type):
            zone = None if column.type.tz is None else "UTC"
            schema = schema.set(index, column.with_type(pa.timestamp("ms", zone)))
    return schema


def _line_of(row: Mapping[str, Any]) -> bytes:
    fields = {name: _value_of(value) for name, value in row.items() if value is not None}
    if "type" in fields:  # first, where it is found without parsing the line
        fields = {"type": fields.pop("type"), **fields}
    return to_json(fields, inf_nan_mode="constants")


def _value_of(value: Any) -> Any:
    """The value as JSON has it."""
    if isinstance(value, Mapping):
        return {name: _value_of(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_value_of(inner) for inner in value]
    for kind, as_json in _AS_JSON:
        if isinstance(value, kind):
            return as_json(value)
    return value


_AS_JSON: Final[tuple[tuple[type, Callable[[Any], Any]], ...]] = (
    (str, lambda text: text),
    (float, lambda number: int(number) if number.is_integer() else number),
    (datetime, lambda at: at.isoformat(timespec="milliseconds").replace("+00:00", "Z")),
    (date, lambda day: day.isoformat()),
    (Decimal, lambda amount: f"{amount:f}"),
    (bytes, lambda raw: raw.decode(errors="replace")),
)
