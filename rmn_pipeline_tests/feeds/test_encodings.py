"""Encodings: what is proven is detected, what is not must be declared, and no letter is lost on a border."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest

from rmn_pipeline.feeds import FeedError, ReportFormat
from rmn_pipeline.feeds.byte_streams import Piece
from rmn_pipeline.feeds.text_streams import HEAD_BYTES, TextStream, opened_text
from rmn_pipeline_tests.feeds.reading import frame_of, rows_of, source_of, written

TEXT = "nome;spesa\ntè €;1,5\n日本 😀;2\n"
ROWS = [("tè €", "1,5"), ("日本 😀", "2")]
CSV = ReportFormat("csv")


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (TEXT.encode(), "utf-8"),
        (codecs.BOM_UTF8 + TEXT.encode(), "utf-8"),
        (codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"), "utf-16-le"),
        (codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"), "utf-16-be"),
        (codecs.BOM_UTF32_LE + TEXT.encode("utf-32-le"), "utf-32-le"),
    ],
)
def test_a_mark_or_strict_utf8_is_detected(tmp_path: Path, content: bytes, encoding: str) -> None:
    source = source_of(written(tmp_path, content), CSV)
    assert rows_of(source) == ROWS
    assert source.facts.encoding == encoding


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-16", "gb18030", "shift_jis"])
def test_other_encodings_are_read_when_declared(tmp_path: Path, encoding: str) -> None:
    text = "nome;spesa\n日本;1\n"
    source = source_of(written(tmp_path, text.encode(encoding)), format="csv", encoding=encoding)
    assert rows_of(source) == [("日本", "1")]


def test_cp1252_is_never_guessed_and_the_error_says_to_declare_it(tmp_path: Path) -> None:
    path = written(tmp_path, "nome;spesa\nt\xe8;€ 1\n".encode("cp1252"))
    with pytest.raises(FeedError, match=r"byte 12 is not valid utf-8\. Declare the encoding .*cp1252"):
        frame_of(source_of(path, CSV))
    assert rows_of(source_of(path, format="csv", encoding="cp1252")) == [("tè", "€ 1")]


@pytest.mark.parametrize("name", ["utf-16-le", "utf-16-be"])
def test_utf16_without_a_mark_must_be_declared(tmp_path: Path, name: str) -> None:
    with pytest.raises(FeedError, match=f"looks like {name} without a byte order mark"):
        frame_of(source_of(written(tmp_path, "a;b\n1;2\n".encode(name)), CSV))


@pytest.mark.parametrize(
    ("content", "encoding", "cause"),
    [
        (b"a,b\n1,\0\n" + b"2026,9\n" * 20, "auto", "NUL bytes"),
        (b"a,b\n\x81,2\n", "cp1252", "byte 4 is not valid cp1252"),
        (b"\xff\xfea\0,\0b\0\n\0\0\xd8", "auto", "not valid utf-16-le"),
        (b"\xff\xfea\0,\0b\0\n", "auto", "not valid utf-16-le"),
        (b"a,b\n", "utf-16", "declared as utf-16, but it has no byte order mark"),
        (b"a,b\n1,\xc3", "auto", "byte 6 is not valid utf-8"),
        (b"a,b\n", "rot13", "unknown encoding 'rot13'"),
        (b"a,b\n", "punycode", "no encoding of text files"),
        (b"a,b\n", "klingon", "unknown encoding"),
    ],
)
def test_bytes_that_do_not_fit_are_an_error(
    tmp_path: Path, content: bytes, encoding: str, cause: str
) -> None:
    with pytest.raises(FeedError, match=cause):
        frame_of(source_of(written(tmp_path, content), format="csv", encoding=encoding))


class _Dripping:
    """A source that gives few bytes at a time, so that letters are cut in two."""

    def __init__(self, content: bytes, first: int, step: int) -> None:
        self._steps = [content[:first], *(content[at : at + step] for at in range(first, len(content), step))]

    def read(self, size: int, /) -> bytes:
        return self._steps.pop(0) if self._steps else b""

    def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "gb18030", "cp1252"])
def test_letters_cut_in_two_by_a_read_are_put_together(encoding: str) -> None:
    text = "è,x\n" * (HEAD_BYTES // 4 + 3) + "abc,è\nè,è"
    content = text.encode(encoding)
    stream = TextStream(Piece(Path("r.csv")), _Dripping(content, HEAD_BYTES, 1021), encoding)
    parts: list[bytes] = []
    while part := stream.read(10):
        parts.append(part)
    assert b"".join(parts).decode() == text


def test_a_damaged_byte_far_into_the_file_is_found_and_placed(tmp_path: Path) -> None:
    good = "è,1\n".encode() * (HEAD_BYTES // 2)
    path = written(tmp_path, b"a,b\n" + good + b"\xe8,1\n")
    with pytest.raises(FeedError, match=f"byte {4 + len(good)} is not valid utf-8"):
        frame_of(source_of(path, CSV))


def test_the_head_knows_whether_it_is_all(tmp_path: Path) -> None:
    with opened_text(Piece(written(tmp_path, b"a,b\n1,2\n")), "auto") as stream:
        assert stream.head_is_all
    with opened_text(Piece(written(tmp_path, b"a,b\n" * HEAD_BYTES)), "auto") as stream:
        assert not stream.head_is_all
