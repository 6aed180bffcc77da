"""Text of a report as valid UTF-8, whatever encoding it was sent in, decoded as it is read.

Only what can be proven is detected: a byte order mark says what follows it, and text that decodes strictly as
UTF-8 is UTF-8 (other encodings practically never do by chance, once a letter beyond ASCII occurs). A code page
such as cp1252 accepts nearly every byte, so it has to be declared; so has UTF-16 without a mark.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from contextlib import contextmanager

from rmn_pipeline.feeds.byte_streams import ByteStream, Piece, opened

HEAD_BYTES = 256 << 10
SLICE_BYTES = 1 << 20
DECLARE = "Declare the encoding that the network uses (often cp1252) in the mapping's source."

# The longer marks first: UTF-32's begins with UTF-16's.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Code pages whose first half is ASCII: ASCII text in them needs no decoding.
_ASCII_CODE_PAGES = ("cp125", "iso8859")


class TextStream:
    """The text of one piece as UTF-8: no byte order mark, no NUL, lines ended by LF or CRLF."""

    def __init__(self, piece: Piece, source: ByteStream, encoding: str) -> None:
        self._piece = piece
        self._source = source
        start = _read_fully(source, HEAD_BYTES)
        self.encoding, mark_bytes = _found_encoding(piece, start, encoding)
        self._offset = mark_bytes
        self._at_end = len(start) < HEAD_BYTES
        self._decoder = codecs.getincrementaldecoder(self.encoding)("strict")
        self._passes_ascii = self.encoding == "utf-8" or self.encoding.startswith(_ASCII_CODE_PAGES)
        self._decoding = False
        self._translates_cr = False
        head = self._decoded(start[mark_bytes:])
        # Lines ended by CR alone: an export of old, or through a Mac's spreadsheet.
        self._translates_cr = b"\r" in head and b"\n" not in head
        self.head = head.replace(b"\r", b"\n") if self._translates_cr else head
        self._pushed_back = self.head
        if self._at_end and not self.head.strip():
            raise piece.error("the file holds nothing but blanks")

    @property
    def head_is_all(self) -> bool:
        """Whether `head` is the whole text."""
        return self._at_end and len(self._pushed_back) == len(self.head)

    def read(self, size: int, /) -> bytes:
        """About `size` bytes of text, at least one; none at the end only."""
        if self._pushed_back:
            content, self._pushed_back = self._pushed_back, b""
            return content
        while not self._at_end:
            raw = self._source.read(max(size, 1))
            self._at_end = not raw
            content = self._decoded(raw)
            if content:
                return content.replace(b"\r", b"\n") if self._translates_cr else content
        return b""

    def _decoded(self, raw: bytes) -> bytes:
        passed = self._passes_ascii and not self._decoding and raw.isascii()
        content = raw if passed else self._through_decoder(raw)
        self._offset += len(raw)
        if self._at_end and not passed:
            content += self._flushed()
        if b"\0" in content:
            raise self._piece.error(
                "the text holds NUL bytes: it was damaged, or is UTF-16 without a byte order mark",
                "Fetch the report again, or declare encoding: utf-16-le (or utf-16-be).",
            )
        return content

    def _through_decoder(self, raw: bytes) -> bytes:
        # In slices, because decoded text may take four bytes a letter; UTF-8 is decoded to be checked only.
        is_utf8 = self.encoding == "utf-8"
        parts: list[bytes] = []
        for start in range(0, len(raw), SLICE_BYTES):
            text = self._step(raw[start : start + SLICE_BYTES], start)
            if not is_utf8:
                parts.append(self._encoded(text))
        # A letter that a read has cut in two must be finished by the decoder, ASCII after it or not.
        self._decoding = bool(self._decoder.getstate()[0])
        return raw if is_utf8 else b"".join(parts)

    def _step(self, raw: bytes, start: int, final: bool = False) -> str:
        waiting = len(self._decoder.getstate()[0])
        try:
            return self._decoder.decode(raw, final)
        except UnicodeError as error:
            at = self._offset + start - waiting + getattr(error, "start", 0)
            raise self._piece.error(f"byte {at} is not valid {self.encoding}", DECLARE) from error

    def _encoded(self, text: str) -> bytes:
        try:
            return text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise self._piece.error(f"a text holds half a character ({error.reason})") from error

    def _flushed(self) -> bytes:
        text = self._step(b"", 0, final=True)
        return b"" if self.encoding == "utf-8" else self._encoded(text)


def _read_fully(source: ByteStream, size: int) -> bytes:
    parts: list[bytes] = []
    missing = size
    while missing:
        part = source.read(missing)
        if not part:
            break
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


def _found_encoding(piece: Piece, start: bytes, declared: str) -> tuple[str, int]:
    """The encoding's name, and how many bytes its mark takes."""
    marked = next(((name, len(mark)) for mark, name in _MARKS if start.startswith(mark)), None)
    if declared == "auto":
        if marked is None:
            _refuse_unmarked_utf16(piece, start)
        return marked or ("utf-8", 0)
    name = codecs.lookup(declared).name
    if name in ("utf-8-sig", "utf-8"):
        return "utf-8", 3 if start.startswith(codecs.BOM_UTF8) else 0
    if name in ("utf-16", "utf-32"):
        if marked is None or not marked[0].startswith(name):
            raise piece.error(
                f"declared as {name}, but it has no byte order mark", f"Declare {name}-le or {name}-be."
            )
        return marked
    return name, marked[1] if marked is not None and marked[0] == name else 0


def _refuse_unmarked_utf16(piece: Piece, start: bytes) -> None:
    sample = start[:4096]
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    if max(even, odd) * 8 > len(sample):
        name = "utf-16-le" if odd > even else "utf-16-be"
        raise piece.error(
            f"it looks like {name} without a byte order mark", f"If it is, declare encoding: {name}."
        )


@contextmanager
def opened_text(piece: Piece, encoding: str) -> Iterator[TextStream]:
    """The piece's text. Bytes that are not valid in its encoding are a FeedError, also while reading."""
    with opened(piece) as source:
        yield TextStream(piece, source, encoding)
