"""Parquet files in which most columns hold one value, written without handling that value once per row.

Two thirds of an event's columns are constants of the mapping or null; writing them row by row costs nearly as much as
writing the others. In Parquet such a column is some dozen bytes: a dictionary of one value, and run lengths. So Polars
writes the varying columns, and the constant ones are added here to the file and its footer. Readers find an ordinary
file, with the columns in their order and with statistics.
"""

from __future__ import annotations

import datetime as dt
import functools
import io
import struct
from pathlib import Path
from typing import Any

import polars as pl

from rmn_pipeline.rmis.spill import CompactRows
from rmn_pipeline.rmis.thrift_compact import BINARY, I32, I64, LIST, STRUCT, Field, Structure, decode, encode

_MAGIC, _LENGTH_BYTES = b"PAR1", 4
_TAIL_BYTES = _LENGTH_BYTES + len(_MAGIC)
# Ids of fields as parquet.thrift numbers them, by structure.
_FILE_SCHEMA, _FILE_ROWS, _FILE_GROUPS = 2, 3, 4
_ELEMENT_TYPE, _ELEMENT_NAME = 1, 4
_GROUP_CHUNKS, _GROUP_BYTES, _GROUP_ROWS, _GROUP_COMPRESSED = 1, 2, 3, 6
_CHUNK_META, _META_PATH = 3, 3
_PLAIN, _RLE, _RLE_DICTIONARY = 0, 3, 8
_EPOCH = dt.date(1970, 1, 1)


def _can_be_added(dtype: pl.DataType, value: Any) -> bool:
    """Whether a column with this one value can be made here; Parquet has no dictionaries of Booleans."""
    if value is None:
        return not dtype.is_nested()
    return dtype in (pl.String(), pl.Int64(), pl.Float64(), pl.Date()) and value == value


def write_parquet_compactly(rows: CompactRows, path: Path, compression_level: int) -> None:
    """Writes rows whose constant columns are known; readers find what writing the whole table would have made."""
    constants = {
        name: value for name, value in rows.constants.items() if _can_be_added(rows.schema[name], value)
    }
    others = rows.whole().drop(list(constants)) if len(constants) < len(rows.constants) else rows.varying
    others.write_parquet(path, compression_level=compression_level)
    if constants:
        _add_columns(path, rows.schema, constants)


def _plain(value: Any) -> bytes:
    """A value in Parquet's plain encoding, without the length that stands before a text."""
    if isinstance(value, str):
        return value.encode("utf-8")
    if isinstance(value, dt.date):
        return struct.pack("<i", (value - _EPOCH).days)
    return struct.pack("<q" if isinstance(value, int) else "<d", value)


def _run(count: int, value: int) -> bytes:
    """`count` times the same one-bit value, run-length encoded."""
    head, out = count << 1, bytearray()
    while head >= 0x80:
        out.append(head & 0x7F | 0x80)
        head >>= 7
    return bytes([*out, head, value])


def _numbers(**fields: int) -> Structure:
    """Fields f1, f2, … of 32 bits."""
    return {int(name[1:]): Field(I32, value) for name, value in fields.items()}


def _page(header_field: int, page_type: int, details: Structure, body: bytes) -> bytes:
    header = _numbers(f1=page_type, f2=len(body), f3=len(body)) | {header_field: Field(STRUCT, details)}
    return encode(header) + body


def _data_page(rows: int, *, null: bool) -> bytes:
    present = _run(rows, 0 if null else 1)
    body = struct.pack("<i", len(present)) + present
    if not null:
        # Every row has value 0 of the dictionary, in one bit.
        body += b"\x01" + _run(rows, 0)
    encoding = _PLAIN if null else _RLE_DICTIONARY
    return _page(5, 0, _numbers(f1=rows, f2=encoding, f3=_RLE, f4=_RLE), body)


def _dictionary_page(value: Any) -> bytes:
    plain = _plain(value)
    if isinstance(value, str):
        plain = struct.pack("<i", len(plain)) + plain
    return _page(7, 2, _numbers(f1=1, f2=_PLAIN), plain)


def _statistics(rows: int, value: Any) -> Structure:
    if value is None:
        return {3: Field(I64, rows)}
    plain = _plain(value)
    return {3: Field(I64, 0), 5: Field(BINARY, plain), 6: Field(BINARY, plain)}


def _chunk(element: Structure, rows: int, value: Any, offset: int) -> tuple[bytes, Structure]:
    """The pages of a constant column, and its entry in the footer if they stand at `offset`."""
    dictionary = b"" if value is None else _dictionary_page(value)
    pages = dictionary + _data_page(rows, null=value is None)
    encodings = [_PLAIN, _RLE] if value is None else [_PLAIN, _RLE, _RLE_DICTIONARY]
    meta = {
        1: element[_ELEMENT_TYPE],
        2: Field(LIST, encodings, I32),
        _META_PATH: Field(LIST, [element[_ELEMENT_NAME].value], BINARY),
        4: Field(I32, 0),
        5: Field(I64, rows),
        6: Field(I64, len(pages)),
        7: Field(I64, len(pages)),
        9: Field(I64, offset + len(dictionary)),
        12: Field(STRUCT, _statistics(rows, value)),
    }
    if dictionary:
        meta[11] = Field(I64, offset)
    return pages, {2: Field(I64, 0), _CHUNK_META: Field(STRUCT, meta)}


def _footer_of(content: bytes) -> tuple[int, Structure]:
    """Where a file's footer starts, counted from the end, and what it says."""
    length = int.from_bytes(content[-_TAIL_BYTES : -len(_MAGIC)], "little") + _TAIL_BYTES
    return length, decode(content[-length:-_TAIL_BYTES])


@functools.lru_cache(maxsize=8)
def _empty_footer(schema: tuple[tuple[str, pl.DataType], ...]) -> bytes:
    """The footer that Polars writes for a table of this schema without rows."""
    file = io.BytesIO()
    pl.DataFrame(schema=dict(schema)).write_parquet(file)
    length, _ = _footer_of(file.getvalue())
    return file.getvalue()[-length:-_TAIL_BYTES]


def _add_to_group(
    group: Structure, elements: list[Structure], constants: dict[str, Any], offset: int
) -> bytes:
    """Adds the constant columns to a row group; their pages will stand at `offset`."""
    present = {chunk[_CHUNK_META].value[_META_PATH].value[0]: chunk for chunk in group[_GROUP_CHUNKS].value}
    chunks, pages = [], b""
    for element in elements:
        name = element[_ELEMENT_NAME].value
        if name in present:
            chunks.append(present[name])
            continue
        added, chunk = _chunk(
            element, group[_GROUP_ROWS].value, constants[name.decode()], offset + len(pages)
        )
        chunks.append(chunk)
        pages += added
    group[_GROUP_CHUNKS] = Field(LIST, chunks, STRUCT)
    for field_id in (_GROUP_BYTES, _GROUP_COMPRESSED):
        if field_id in group:
            group[field_id] = Field(I64, group[field_id].value + len(pages))
    return pages


def _add_columns(path: Path, schema: pl.Schema, constants: dict[str, Any]) -> None:
    """Makes a Parquet file of some columns one of all columns of `schema`: the others have the values `constants`."""
    with path.open("r+b") as file:
        file.seek(-_TAIL_BYTES, io.SEEK_END)
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        file.seek(-_TAIL_BYTES - length, io.SEEK_END)
        start = file.tell()
        written = decode(file.read(length))
        footer = decode(_empty_footer(tuple(schema.items())))
        elements = footer[_FILE_SCHEMA].value[1:]
        pages = b""
        for group in written[_FILE_GROUPS].value:
            pages += _add_to_group(group, elements, constants, start + len(pages))
        footer[_FILE_ROWS] = written[_FILE_ROWS]
        footer[_FILE_GROUPS] = written[_FILE_GROUPS]
        encoded = encode(footer)
        file.seek(start)
        file.write(pages + encoded + len(encoded).to_bytes(_LENGTH_BYTES, "little") + _MAGIC)
