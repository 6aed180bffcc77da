"""Thrift's compact protocol, as far as a Parquet footer needs it: any structure in, the same structure out.

A structure is a dictionary from field id to `Field`; what a field means is the reader's business. Fields that this
program does not know survive a round trip unchanged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, STRUCT = 1, 2, 3, 4, 5, 6, 7, 8, 9, 12
_INTEGERS = (I16, I32, I64)


@dataclass(frozen=True)
class Field:
    """A value with its wire type. Lists hold values of `element` type."""

    kind: int
    value: Any
    element: int = 0


Structure = dict[int, Field]


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def varint(self) -> int:
        shift = number = 0
        while True:
            byte = self.byte()
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                return number
            shift += 7

    def integer(self) -> int:
        number = self.varint()
        return (number >> 1) ^ -(number & 1)

    def take(self, length: int) -> bytes:
        self.at += length
        return self.data[self.at - length : self.at]

    def value(self, kind: int) -> Field:
        if kind in (TRUE, FALSE):
            return Field(kind, kind == TRUE)
        if kind in _INTEGERS:
            return Field(kind, self.integer())
        if kind == BYTE:
            return Field(kind, self.byte())
        if kind == DOUBLE:
            return Field(kind, self.take(8))
        if kind == BINARY:
            return Field(kind, self.take(self.varint()))
        if kind == LIST:
            return self.list()
        if kind == STRUCT:
            return Field(kind, self.structure())
        raise ValueError(f"no such type in a Parquet footer: {kind}")

    def list(self) -> Field:
        head = self.byte()
        length, element = head >> 4, head & 0x0F
        if length == 15:
            length = self.varint()
        if element in (TRUE, FALSE):
            return Field(LIST, [self.byte() == TRUE for _ in range(length)], element)
        return Field(LIST, [self.value(element).value for _ in range(length)], element)

    def structure(self) -> Structure:
        fields: Structure = {}
        field_id = 0
        while head := self.byte():
            step = head >> 4
            field_id = field_id + step if step else self.integer()
            fields[field_id] = self.value(head & 0x0F)
        return fields


def _varint(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _zigzag(number: int) -> bytes:
    return _varint(number << 1 if number >= 0 else ((-number) << 1) - 1)


def _write_value(out: bytearray, kind: int, value: Any, element: int) -> None:
    if kind in _INTEGERS:
        out += _zigzag(value)
    elif kind == BYTE:
        out.append(value)
    elif kind == DOUBLE:
        out += value
    elif kind == BINARY:
        out += _varint(len(value)) + value
    elif kind == LIST:
        _write_list(out, value, element)
    elif kind == STRUCT:
        _write_structure(out, value)


def _write_list(out: bytearray, values: list[Any], element: int) -> None:
    out += (
        bytes([len(values) << 4 | element])
        if len(values) < 15
        else bytes([0xF0 | element]) + _varint(len(values))
    )
    for value in values:
        if element in (TRUE, FALSE):
            out.append(TRUE if value else FALSE)
        else:
            _write_value(out, element, value, 0)


def _write_structure(out: bytearray, fields: Structure) -> None:
    last = 0
    for field_id, field in sorted(fields.items()):
        kind = field.kind if field.kind not in (TRUE, FALSE) else (TRUE if field.value else FALSE)
        step = field_id - last
        out += bytes([step << 4 | kind]) if 0 < step < 16 else bytes([kind]) + _zigzag(field_id)
        _write_value(out, kind, field.value, field.element)
        last = field_id
    out.append(0)


def decode(data: bytes) -> Structure:
    """The structure that `data` starts with. ValueError or IndexError where it is none."""
    return _Reader(data).structure()


def encode(fields: Structure) -> bytes:
    """The structure as bytes."""
    out = bytearray()
    _write_structure(out, fields)
    return bytes(out)
