"""Packed files: gzip streams and zip archives, sound, broken and hostile."""

from __future__ import annotations

import bz2
import gzip
import io
import zipfile
import zlib
from pathlib import Path

import pytest

from rmn_pipeline.feeds import FeedError, ReportFormat, read_report, report_sources
from rmn_pipeline.feeds.byte_streams import LARGEST_INFLATION
from rmn_pipeline_tests.feeds.reading import frame_of, rows_of, source_of, written

CSV = ReportFormat("csv")
TEXT = b"date,spend\n2026-03-01,1.50\n"


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", method) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return content.getvalue()


def test_every_fitting_member_of_an_archive_is_a_source(tmp_path: Path) -> None:
    members = {
        "reports/b.csv": TEXT,
        "reports/a.csv": TEXT.replace(b"1.50", b"2.50"),
        "readme.txt": b"hello",
        "__MACOSX/reports/._a.csv": b"\0\0",
        "reports/.DS_Store": b"\0",
    }
    path = written(tmp_path, zipped(members), "march.zip")
    sources = report_sources([path], ReportFormat("csv", members="*.csv"))
    assert [(source.name, rows_of(source)) for source in sources] == [
        ("march.zip/reports/a.csv", [("2026-03-01", "2.50")]),
        ("march.zip/reports/b.csv", [("2026-03-01", "1.50")]),
    ]
    assert frame_of(sources[0])["source_file"].to_list() == ["march.zip/reports/a.csv"]
    assert read_report(path, ReportFormat("csv", members="*.csv"))["source_row"].to_list() == [1, 1]


def test_members_may_be_gzipped_themselves_and_packed_in_any_usual_way(tmp_path: Path) -> None:
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        path = written(tmp_path, zipped({"a.csv.gz": gzip.compress(TEXT)}, method), f"{method}.zip")
        assert rows_of(source_of(path, CSV)) == [("2026-03-01", "1.50")]


def test_an_archive_without_a_fitting_member_says_what_it_holds(tmp_path: Path) -> None:
    path = written(tmp_path, zipped({"a.txt": TEXT}))
    with pytest.raises(FeedError, match=r"no member .* fits '\*\.csv'; it holds 'a\.txt'"):
        report_sources([path], ReportFormat("csv", members="*.csv"))


def test_gzip_streams_in_a_row_are_one_text(tmp_path: Path) -> None:
    content = gzip.compress(TEXT) + b"\0" * 20 + gzip.compress(b"2026-03-02,3\n")
    assert len(rows_of(source_of(written(tmp_path, content), CSV))) == 2


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (gzip.compress(TEXT)[:-6], "truncated"),
        (gzip.compress(TEXT) + b"garbage", "corrupt"),
        (gzip.compress(TEXT)[:12] + b"\xff\xff" + gzip.compress(TEXT)[14:], "corrupt"),
        (zipped({"a.csv": TEXT})[:-30], "corrupt"),
        (zipped({"a.csv": TEXT}).replace(b"\x2b\x28", b"\xff\xff", 1)[:40] + b"\0" * 99, "corrupt"),
        (zipped({"a.csv": TEXT}, zipfile.ZIP_STORED).replace(b"1.50", b"9.50", 1), "cannot be unpacked.*CRC"),
        (zipped({"a.csv": b""}), r"member 'a\.csv': the file is empty"),
        (zipped({}), "it holds nothing"),
        (bz2.compress(TEXT), "packed with bzip2"),
        (b"\x28\xb5\x2f\xfd\0\0\0\0", "packed with zstd"),
    ],
    ids=[
        *("gzip_cut", "gzip_tail", "gzip_damaged", "zip_cut", "zip_damaged", "zip_crc"),
        *("empty_member", "no_member", "bzip2", "zstd"),
    ],
)
def test_broken_packing_is_an_error(tmp_path: Path, content: bytes, cause: str) -> None:
    with pytest.raises(FeedError, match=cause):
        frame_of(source_of(written(tmp_path, content, "bad.zip"), CSV))


def test_an_encrypted_member_is_named(tmp_path: Path) -> None:
    content = bytearray(zipped({"a.csv": TEXT}))
    for header, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(header) + flags] |= 1
    with pytest.raises(FeedError, match=r"member 'a\.csv': it is encrypted"):
        frame_of(source_of(written(tmp_path, bytes(content)), CSV))


@pytest.mark.parametrize("packer", ["gzip", "zip"])
def test_a_file_made_to_flood_its_reader_is_refused(tmp_path: Path, packer: str) -> None:
    row = b"2026-03-01," + b"0" * (1 << 20) + b"\n"
    packed = zlib.compressobj(9, wbits=31)
    content = (
        packed.compress(b"date,spend\n") + b"".join(packed.compress(row) for _ in range(80)) + packed.flush()
    )
    if packer == "zip":
        content = zipped({"a.csv": b"date,spend\n" + row * 80})
    with pytest.raises(FeedError, match=f"inflates more than {LARGEST_INFLATION}-fold"):
        frame_of(source_of(written(tmp_path, content), CSV))


def test_declared_packing_must_be_there(tmp_path: Path) -> None:
    path = written(tmp_path, TEXT)
    with pytest.raises(FeedError, match="declared as zip, but it does not start like one"):
        report_sources([path], ReportFormat("csv", compression="zip"))
    assert rows_of(source_of(path, format="csv", compression="none")) == [("2026-03-01", "1.50")]
