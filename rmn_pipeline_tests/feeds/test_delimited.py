"""Delimited text: which delimiter, which header, what is no row, and what a row of the wrong width becomes."""

from __future__ import annotations

from pathlib import Path

import pytest

from rmn_pipeline.feeds import FeedError, ReportFormat
from rmn_pipeline_tests.feeds.reading import frame_of, rows_of, source_of, written

CSV = ReportFormat("csv")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(tmp_path: Path, delimiter: str) -> None:
    lines = [["date", "campaign", "spend"], ["2026-03-02", "A b", "1.50"], ["2026-03-03", "C", ""]]
    source = source_of(written(tmp_path, "\n".join(delimiter.join(line) for line in lines)))
    assert rows_of(source) == [("2026-03-02", "A b", "1.50"), ("2026-03-03", "C", None)]
    assert source.facts.delimiter == delimiter


@pytest.mark.parametrize(
    ("text", "delimiter", "columns"),
    [
        ('"date, local";"spend (EUR)";clicks\n2026;1,5;3\n2026;2,25;4\n', ";", 3),
        ("Data;Spesa, EUR;Clic;Visualizzazioni\n2026;1,5;3;9\n2026;2,25;4;8\n", ";", 4),
        ("date;spend\n2026-03-02;1,5\n2026-03-03;22,75\n", ";", 2),
        ("date,campaign,spend\n2026,BRX | SP | x,1\n2026,BRX | SP | y,2\n", ",", 3),
        ("date,categories,spend\n2026,a;b;c;d,1\n2026,a;b;c;e,2\n", ",", 3),
    ],
)
def test_commas_and_bars_in_cells_and_quoted_headers_do_not_mislead_the_search(
    tmp_path: Path, text: str, delimiter: str, columns: int
) -> None:
    source = source_of(written(tmp_path, text), CSV)
    frame_of(source)
    assert (source.facts.delimiter, len(source.facts.header)) == (delimiter, columns)


def test_two_possible_delimiters_are_an_error_that_asks_to_declare(tmp_path: Path) -> None:
    path = written(tmp_path, "a;b,c;d\n1;2,3;4\n5;6,7;8\n")
    with pytest.raises(FeedError, match=r"';' \(3 columns\) and ',' \(2 columns\).*Declare the delimiter"):
        frame_of(source_of(path, CSV))
    assert rows_of(source_of(path, format="csv", delimiter=",")) == [("1;2", "3;4"), ("5;6", "7;8")]


def test_headers_keep_their_blanks_and_a_name_twice_must_be_declared(tmp_path: Path) -> None:
    path = written(tmp_path, " asin,Spend ,Spend \nx,1,2\n")
    with pytest.raises(FeedError, match=r"names 'Spend ' more than once.*duplicate_headers: number"):
        frame_of(source_of(path, CSV))
    source = source_of(path, format="csv", duplicate_headers="number")
    assert rows_of(source) == [("x", "1", "2")]
    assert source.facts.header == (" asin", "Spend ", "Spend  (2)")


PREAMBLE = (
    "Report: Product performance\nPeriod;1/3/2026 - 2/3/2026\n\ndate;item;spend;clicks\n2026-03-01;X;1,5;3\n"
)


def test_lines_before_the_header_are_skipped_and_counted(tmp_path: Path) -> None:
    source = source_of(written(tmp_path, PREAMBLE), CSV)
    frame = frame_of(source)
    assert frame["source_line"].to_list() == [5]
    assert source.facts.header == ("date", "item", "spend", "clicks")
    assert source.facts.preamble_lines == 3


@pytest.mark.parametrize("declared", [{"skip_lines": 3}, {"header": ("Date", "clicks ")}])
def test_the_header_line_may_be_declared_by_place_or_by_names(tmp_path: Path, declared: dict) -> None:
    source = source_of(written(tmp_path, PREAMBLE), format="csv", **declared)
    assert rows_of(source) == [("2026-03-01", "X", "1,5", "3")]
    assert (source.facts.preamble_lines, source.facts.delimiter) == (3, ";")


def test_a_preamble_that_a_spreadsheet_filled_up_is_none_of_the_header(tmp_path: Path) -> None:
    text = "Account,Brand X,,,\n,,,,\ndate,item,spend,clicks,sales\n2026-03-01,X,1.5,3,9\n"
    source = source_of(written(tmp_path, text), CSV)
    assert rows_of(source) == [("2026-03-01", "X", "1.5", "3", "9")]
    assert source.facts.preamble_lines == 2


def test_a_preamble_over_text_alone_is_not_certain(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match=r"line 1 has 1 cells between ',', most have 2.*`skip_lines`"):
        frame_of(source_of(written(tmp_path, "titles\nSoap, big\nSoap, small\n"), CSV))


def test_declared_header_names_that_stand_nowhere_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match="no line among its first 300 holds 'data'"):
        frame_of(source_of(written(tmp_path, PREAMBLE), format="csv", header=("data",)))


def test_a_file_without_a_header_line_takes_declared_columns(tmp_path: Path) -> None:
    path = written(tmp_path, "2026-03-01;1,5\n2026-03-02;2,5\n")
    with pytest.raises(FeedError, match="2 of the usual ones give the first row 2 cells"):
        frame_of(source_of(path, format="csv", columns=("d", "s")))
    source = source_of(path, format="csv", columns=("d", "s"), delimiter=";")
    assert rows_of(source) == [("2026-03-01", "1,5"), ("2026-03-02", "2,5")]
    assert frame_of(source)["source_line"].to_list() == [1, 2]


@pytest.mark.parametrize(
    "end",
    [
        "-- end of report --\n",
        "-- end of report --",
        "Downloaded at 2026-03-04 10:22\n",
        "\nNotes: sales, units and orders are attributed\nwithin 14 days\n",
        "\n\nConfidential\n",
        '"End of report"\r\n',
    ],
)
def test_lines_after_the_last_row_are_skipped_and_counted(tmp_path: Path, end: str) -> None:
    source = source_of(written(tmp_path, "date,item,spend,clicks\n2026,X,1,2\n2026,Y,3,4\n" + end), CSV)
    assert [row[1] for row in rows_of(source)] == ["X", "Y"]
    assert source.facts.footer_lines == len([line for line in end.splitlines() if line.strip()])


def test_a_long_footer_does_not_outnumber_a_short_table(tmp_path: Path) -> None:
    text = "date,item,spend\n2026,X,1\nGenerated\nby the console\nof the network\n"
    source = source_of(written(tmp_path, text), CSV)
    assert rows_of(source) == [("2026", "X", "1")]
    assert source.facts.footer_lines == 3


def test_rows_that_all_end_in_a_delimiter_are_read_when_that_is_declared(tmp_path: Path) -> None:
    path = written(tmp_path, "date,item,spend\n2026,X,1,\n2026,Y,2,\n")
    with pytest.raises(FeedError, match="line 1 has 3 cells between ',', most have 4"):
        frame_of(source_of(path, CSV))
    source = source_of(path, format="csv", skip_lines=0, ragged_rows="fill")
    assert rows_of(source) == [("2026", "X", "1"), ("2026", "Y", "2")]


def test_a_declared_footer_begins_where_its_pattern_is_found(tmp_path: Path) -> None:
    text = "date,item,spend\n2026,X,1\nDisclaimer,see,terms\nmore,of,it\n"
    source = source_of(written(tmp_path, text), format="csv", footer="^Disclaimer")
    assert rows_of(source) == [("2026", "X", "1")]
    assert source.facts.footer_lines == 2


def test_a_row_that_was_cut_off_is_no_footer(tmp_path: Path) -> None:
    path = written(tmp_path, "date,item,spend\n2026-03-01,X,1\n2026-03")
    with pytest.raises(FeedError, match=r"line 3 has 1 cells where the header has 3.*cut off"):
        frame_of(source_of(path, CSV))


@pytest.mark.parametrize("row", ["2026,Soap, big,1", "2026,X"])
def test_a_row_of_the_wrong_width_is_an_error_that_names_its_line(tmp_path: Path, row: str) -> None:
    path = written(tmp_path, f"date,item,spend\n2026,X,1\n\n{row}\n2026,Y,2\n2026,Z,3\n")
    cells = row.count(",") + 1
    with pytest.raises(FeedError, match=f"line 4 has {cells} cells where the header has 3"):
        frame_of(source_of(path, CSV))


RAGGED = "date,item,spend\n2026,X\n2026,Y,1,,\n2026,Soap, big,1\n2026,Z,2\n"


def test_ragged_rows_may_be_filled_but_surplus_text_may_not_go(tmp_path: Path) -> None:
    path = written(tmp_path, RAGGED.replace("2026,Soap, big,1\n", ""))
    source = source_of(path, format="csv", ragged_rows="fill")
    assert rows_of(source) == [("2026", "X", None), ("2026", "Y", "1"), ("2026", "Z", "2")]
    assert source.facts.ragged_rows == 2
    with pytest.raises(FeedError, match="line 4 has 4 cells where the header has 3; surplus: '1'"):
        frame_of(source_of(written(tmp_path, RAGGED), format="csv", ragged_rows="fill"))


def test_ragged_rows_may_be_marked_for_the_harmonizer(tmp_path: Path) -> None:
    frame = frame_of(source_of(written(tmp_path, RAGGED), format="csv", ragged_rows="mark"))
    assert frame["source_problem"].to_list() == [
        "2 cells where the header has 3",
        "5 cells where the header has 3",
        "4 cells where the header has 3; surplus: '1'",
        None,
    ]
    assert frame["item"].to_list() == ["X", "Y", "Soap", "Z"]


def test_blank_lines_and_empty_rows_are_skipped_and_counted(tmp_path: Path) -> None:
    text = "\ndate,item\n\n2026,X\n,\n  \n2026,Y\n\n"
    source = source_of(written(tmp_path, text), CSV)
    frame = frame_of(source)
    assert frame.select("item", "source_row", "source_line").rows() == [("X", 1, 4), ("Y", 2, 7)]
    assert (source.facts.blank_lines, source.facts.preamble_lines) == (4, 1)


@pytest.mark.parametrize("label", ["Total", "TOTALE", "Gesamt:", " Summe ", "Total général", "合計", "Итого"])
def test_total_rows_are_flagged_and_stay(tmp_path: Path, label: str) -> None:
    source = source_of(written(tmp_path, f"date;item;spend\n2026-03-01;X;1,5\n{label};;1,5\n"), CSV)
    frame = frame_of(source)
    assert frame["source_total"].to_list() == [False, True]
    assert source.facts.total_rows == 1


def test_a_total_may_stand_above_the_rows_or_be_short_or_begin_in_a_later_cell(tmp_path: Path) -> None:
    above = source_of(written(tmp_path, "date,item,spend\nTotal,--,4\n2026-03-01,X,4\n", "a.csv"), CSV)
    assert frame_of(above)["source_total"].to_list() == [True, False]
    short = source_of(written(tmp_path, "item,clicks,spend,sales\nX,1,4,5\nTotal,1,4\n", "b.csv"), CSV)
    assert frame_of(short)["source_total"].to_list() == [False, True]
    later = source_of(written(tmp_path, "item,brand,spend\nX,Z,4\n,Total,USD 4.00\n", "c.csv"), CSV)
    assert frame_of(later)["source_total"].to_list() == [False, True]


def test_a_brand_named_total_is_no_total_row(tmp_path: Path) -> None:
    text = "brand,date,spend\nTotal,2026-03-01,4\nZest,2026-03-01,5\nTotal,2026-03-02,6\n"
    assert not frame_of(source_of(written(tmp_path, text, "a.csv"), CSV))["source_total"].any()
    amid = "brand,clicks,spend\nAqua,1,4\nTotal,2,5\nZest,3,6\n"
    assert not frame_of(source_of(written(tmp_path, amid, "b.csv"), CSV))["source_total"].any()


def test_total_labels_may_be_declared_or_switched_off(tmp_path: Path) -> None:
    path = written(tmp_path, "item,note,spend\nX,a,1\nZwischensumme,b,1\nTotal,,2\n")
    declared = source_of(path, format="csv", total_labels=("zwischensumme", "total"))
    assert frame_of(declared)["source_total"].to_list() == [False, True, True]
    assert not frame_of(source_of(path, format="csv", total_labels=()))["source_total"].any()


def test_inch_marks_in_unquoted_cells_are_text(tmp_path: Path) -> None:
    text = 'item,note,spend\nPan 12",flat,1\n"Pot, big","says ""hi""",2\nPan 12" x 14",,3\n"a\nb",c,4\nTV 55",d,5\n'
    frame = frame_of(source_of(written(tmp_path, text), CSV))
    assert frame["item"].to_list() == ['Pan 12"', "Pot, big", 'Pan 12" x 14"', "a\nb", 'TV 55"']
    assert frame["source_line"].to_list() == [2, 3, 4, 5, 7]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('item,spend\n"Pan 12" wide",1\nX,2\n', 2),
        ('item,spend\nX,2\n"never closed,1\nY,3\n', 3),
        ('item,spend\nX,2\nPan 3",5\n"open\n', 4),
    ],
)
def test_false_quoting_is_an_error_that_names_its_line(tmp_path: Path, text: str, line: int) -> None:
    with pytest.raises(FeedError, match=f"the quoting in line {line} is false"):
        frame_of(source_of(written(tmp_path, text), CSV))


def test_a_network_that_never_quotes_may_say_so(tmp_path: Path) -> None:
    text = 'item\tspend\n"Pan\t1\nPan 12"\t2\n'
    assert rows_of(source_of(written(tmp_path, text), format="tsv", quote="")) == [
        ('"Pan', "1"),
        ('Pan 12"', "2"),
    ]


def test_quoted_line_ends_stay_and_lines_are_counted_as_an_editor_does(tmp_path: Path) -> None:
    text = 'item,spend\r\n"two\r\nlines",1\r\nX,2\r\n"a\nb\nc",3\r\nY,4'
    frame = frame_of(source_of(written(tmp_path, text), CSV))
    assert frame["item"].to_list() == ["two\r\nlines", "X", "a\nb\nc", "Y"]
    assert frame["source_line"].to_list() == [2, 4, 5, 8]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("final", [True, False])
def test_any_line_end_is_read_with_and_without_a_final_one(tmp_path: Path, end: str, final: bool) -> None:
    text = end.join(["item,spend", "X,1", "Y,2"]) + (end if final else "")
    frame = frame_of(source_of(written(tmp_path, text), CSV))
    assert frame.select("item", "spend", "source_line").rows() == [("X", "1", 2), ("Y", "2", 3)]


@pytest.mark.parametrize(
    ("declared", "cause"),
    [
        ({"delimiter": "::"}, "cannot be a delimiter"),
        ({"delimiter": "¦"}, "cannot be a delimiter"),
        ({"delimiter": '"'}, "cannot be delimiter and quote"),
        ({"quote": "''"}, "cannot be a quote"),
        ({"skip_lines": -1}, "below 0"),
        ({"header": ("a",), "columns": ("b",)}, "both declared"),
        ({"columns": ("a", "a")}, "names a column twice"),
        ({"footer": "("}, "`footer` is no regular expression"),
        ({"parts": "_x"}, "no group named part"),
    ],
)
def test_a_declaration_that_cannot_be_meant_is_an_error(tmp_path: Path, declared: dict, cause: str) -> None:
    with pytest.raises(FeedError, match=cause):
        source_of(written(tmp_path, "a,b\n1,2\n"), format="csv", **declared)
