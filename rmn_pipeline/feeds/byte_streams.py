"""Bytes of a report, unpacked as they are read: plain files, gzip streams, members of zip archives."""

from __future__ import annotations

import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol

from rmn_pipeline.feeds.errors import FeedError
from rmn_pipeline.feeds.formats import Compression, ReportFormat

GZIP_MAGIC = b"\x1f\x8b"
ZIP_MAGICS = (b"PK\x03\x04", b"PK\x05\x06")
PARQUET_MAGIC = b"PAR1"
XLSX_MARKER = "[Content_Types].xml"
OTHER_PACKERS = {b"BZh": "bzip2", b"\xfd7zXZ\0": "xz", b"\x28\xb5\x2f\xfd": "zstd", b"7z\xbc\xaf": "7-zip"}
FETCH_AGAIN = "Fetch the report again."

READ_BYTES = 1 << 20
# Repetitive reports shrink to a fiftieth or so; only a file made to flood the reader shrinks to less than this.
LARGEST_INFLATION = 500
INFLATION_JUDGED_FROM_BYTES = 64 << 20
# Parquet and XLSX inside of a packed file must be held whole.
LARGEST_WHOLE_BYTES = 1 << 30

# What the standard library's zip reader raises on archives that are broken, encrypted or packed unusually.
ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
    struct.error,
)


class ByteStream(Protocol):
    """What the readers need of a stream."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end only."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


@dataclass(frozen=True)
class Piece:
    """One stretch of bytes that holds a report or a part of one: a file, or a member of a zip archive."""

    path: Path
    member: str | None = None
    compression: Compression = "auto"

    @property
    def name(self) -> str:
        """What people call it: report.csv, or archive.zip/member.csv."""
        return self.path.name if self.member is None else f"{self.path.name}/{self.member}"

    def error(self, cause: str, mend: str = FETCH_AGAIN) -> FeedError:
        """A FeedError about this piece."""
        return FeedError(
            self.path, cause if self.member is None else f"member {self.member!r}: {cause}", mend
        )


def find_pieces(path: Path, spec: ReportFormat) -> list[Piece]:
    """What of `path` is to be read: the file itself, or the members of the archive that it is."""
    if spec.compression in ("none", "gzip"):
        return [Piece(path, None, spec.compression)]
    magic = _first_bytes(path)
    if not magic.startswith(ZIP_MAGICS):
        if spec.compression == "zip" and magic:
            raise FeedError(
                path, "declared as zip, but it does not start like one", "Declare compression: none, or auto."
            )
        return [Piece(path, None, "auto")]
    with _opened_archive(path) as archive:
        if spec.format in ("xlsx", "auto") and XLSX_MARKER in archive.namelist():
            return [Piece(path, None, "none")]
        return _fitting_members(path, archive, spec.members)


def _first_bytes(path: Path) -> bytes:
    with _clear_file_errors(path), path.open("rb") as stream:
        return stream.read(8)


@contextmanager
def _clear_file_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FeedError(
            path, f"cannot be read ({error.strerror or error})", "Check that it exists and is readable."
        ) from error


@contextmanager
def _opened_archive(path: Path) -> Iterator[zipfile.ZipFile]:
    with _clear_file_errors(path):
        try:
            archive = zipfile.ZipFile(path)
        except ZIP_ERRORS as error:
            raise FeedError(path, f"the zip archive is corrupt ({error})", FETCH_AGAIN) from error
    with archive:
        yield archive


def _fitting_members(path: Path, archive: zipfile.ZipFile, globs: str | tuple[str, ...]) -> list[Piece]:
    patterns = (globs,) if isinstance(globs, str) else globs
    names = [info.filename for info in archive.infolist() if not info.is_dir() and _is_sent(info.filename)]
    fitting = sorted(name for name in names if any(_fits(name, pattern) for pattern in patterns))
    if not fitting:
        held = ", ".join(map(repr, names[:5])) or "nothing"
        raise FeedError(
            path,
            f"no member of the zip archive fits {' or '.join(map(repr, patterns))}; it holds {held}",
            "Correct `members`, or fetch the report again.",
        )
    twice = sorted({name for name in fitting if fitting.count(name) > 1})
    if twice:
        raise FeedError(path, f"the zip archive holds {twice[0]!r} more than once", FETCH_AGAIN)
    return [Piece(path, name, "auto") for name in fitting]


def _is_sent(name: str) -> bool:
    """Whether the sender meant it: operating systems add hidden files of their own."""
    parts = PurePosixPath(name).parts
    return "__MACOSX" not in parts and not parts[-1].startswith(".") if parts else False


def _fits(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern) or fnmatchcase(PurePosixPath(name).name, pattern)


@contextmanager
def opened(piece: Piece) -> Iterator[ByteStream]:
    """The piece's unpacked bytes. Whatever is wrong with file or packing is a FeedError, also while reading."""
    with _clear_file_errors(piece.path):
        source: ByteStream = piece.path.open("rb") if piece.member is None else _MemberStream(piece)
    try:
        stream = _unpacked(piece, source)
        yield stream
    finally:
        source.close()


def _unpacked(piece: Piece, source: ByteStream) -> ByteStream:
    with _clear_file_errors(piece.path):
        start = source.read(8)
    if not start:
        raise piece.error("the file is empty (0 bytes)")
    is_gzip = start.startswith(GZIP_MAGIC)
    if piece.compression == "gzip" and not is_gzip:
        raise piece.error(
            "declared as gzip, but it does not start like one", "Declare compression: none, or auto."
        )
    packer = next((name for magic, name in OTHER_PACKERS.items() if start.startswith(magic)), None)
    if packer and piece.compression == "auto":
        raise piece.error(f"it is packed with {packer}, which is not read", "Send it as gzip or zip.")
    whole = _Restarted(piece, start, source)
    return whole if piece.compression == "none" or not is_gzip else _GunzipStream(piece, whole)


class _Restarted:
    """A stream whose first bytes were looked at already."""

    def __init__(self, piece: Piece, start: bytes, rest: ByteStream) -> None:
        self._piece = piece
        self._start = start
        self._rest = rest

    def read(self, size: int, /) -> bytes:
        with _clear_file_errors(self._piece.path):
            start, self._start = self._start[:size], self._start[size:]
            return start + self._rest.read(size - len(start)) if len(start) < size else start

    def close(self) -> None:
        self._rest.close()


class _MemberStream:
    """One member of a zip archive, inflated as it is read."""

    def __init__(self, piece: Piece) -> None:
        self._piece = piece
        self._archive = zipfile.ZipFile(piece.path)
        self._inflated = 0
        with self._clear_errors():
            info = self._archive.getinfo(str(piece.member))
            self._packed = max(info.compress_size, 1)
            if info.flag_bits & 0x1:
                raise piece.error("it is encrypted", "Ask the network for archives without a password.")
            self._stream = self._archive.open(info)

    @contextmanager
    def _clear_errors(self) -> Iterator[None]:
        try:
            yield
        except ZIP_ERRORS as error:
            self._archive.close()
            raise self._piece.error(f"it cannot be unpacked ({error})") from error
        except FeedError:
            self._archive.close()
            raise

    def read(self, size: int, /) -> bytes:
        with self._clear_errors():
            content = self._stream.read(size)
            self._inflated += len(content)
            check_inflation(self._piece, self._packed, self._inflated)
        return content

    def close(self) -> None:
        self._archive.close()


class _GunzipStream:
    """A gzip stream, of one or several members, inflated as it is read."""

    def __init__(self, piece: Piece, source: ByteStream) -> None:
        self._piece = piece
        self._source = source
        self._packed = b""
        self._read_bytes = 0
        self._inflated = 0
        self._finished = False
        self._inflater = zlib.decompressobj(wbits=31)

    def read(self, size: int, /) -> bytes:
        parts: list[bytes] = []
        missing = size
        while missing > 0 and not self._finished:
            part = self._step(missing)
            parts.append(part)
            missing -= len(part)
        content = b"".join(parts)
        self._inflated += len(content)
        check_inflation(self._piece, self._read_bytes, self._inflated)
        if self._finished and not self._inflated:
            raise self._piece.error("the gzip stream holds nothing (0 bytes)")
        return content

    def _step(self, size: int) -> bytes:
        if self._inflater.eof:
            self._start_next_member()
            return b""
        if not self._packed:
            self._packed = self._more()
            if not self._packed:
                raise self._piece.error("the gzip stream ends too early (truncated download)")
        try:
            content = self._inflater.decompress(self._packed, size)
        except zlib.error as error:
            raise self._piece.error(f"the gzip stream is corrupt ({error})") from error
        self._packed = self._inflater.unused_data if self._inflater.eof else self._inflater.unconsumed_tail
        return content

    def _more(self) -> bytes:
        content = self._source.read(READ_BYTES)
        self._read_bytes += len(content)
        return content

    def _start_next_member(self) -> None:
        # Zeros after a member are padding by definition of the format.
        rest = self._packed.lstrip(b"\0")
        while not rest:
            rest = self._more()
            if not rest:
                self._finished = True
                return
            rest = rest.lstrip(b"\0")
        self._packed = rest
        self._inflater = zlib.decompressobj(wbits=31)

    def close(self) -> None:
        self._source.close()


def check_inflation(piece: Piece, packed: int, inflated: int) -> None:
    """A file that unpacks to many times its size was made to flood its reader."""
    if inflated > INFLATION_JUDGED_FROM_BYTES and inflated > LARGEST_INFLATION * packed:
        raise piece.error(
            f"it inflates more than {LARGEST_INFLATION}-fold, as no report does",
            "Do not trust this file: ask the network.",
        )


@contextmanager
def opened_whole(piece: Piece) -> Iterator[BinaryIO]:
    """The piece as a seekable file: the file itself, or what it unpacks to, held in memory."""
    with opened(piece) as stream:
        if piece.member is None and isinstance(stream, _Restarted):
            with _clear_file_errors(piece.path), piece.path.open("rb") as file:
                yield file
                return
        content = stream.read(LARGEST_WHOLE_BYTES)
        if len(content) == LARGEST_WHOLE_BYTES:
            raise piece.error("unpacked, it is larger than 1 GiB", "Send it without packing.")
        yield io.BytesIO(content)
