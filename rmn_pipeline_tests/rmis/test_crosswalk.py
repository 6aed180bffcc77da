"""Reference files: catalogs, crosswalks and audiences, what is wrong with them, and where they contradict."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from rmn_pipeline.rmis import (
    CatalogError,
    RMISAudience,
    RMISSku,
    check_table,
    load_audiences,
    load_catalog,
    skus_frame,
)
from rmn_pipeline.rmis.crosswalk import CROSSWALK_SCHEMA, fill_catalog, load_crosswalk, merge_crosswalks

HEADER = "native_id,gtin,title,brand_id,category,line_id,size\n"


def catalog(folder: Path, *lines: str) -> Path:
    path = folder / "shop" / "reference" / "catalog.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HEADER + "".join(f"{line}\n" for line in lines))
    return path


def test_a_catalog_gives_gtins_and_own_ids_where_there_is_none(tmp_path: Path) -> None:
    frame = load_catalog(catalog(tmp_path, "N1,85021001007,Tea,b,c,l,6 ct", "N2,,Box,b,c,l,"))
    assert frame.select("native_id", "sku_id", "gtin", "size").rows() == [
        ("N1", "00085021001007", "00085021001007", "6 ct"),
        ("N2", "shop:N2", None, None),
    ]
    assert check_table(frame.drop("native_id"), RMISSku) == []


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["N1,085021001008,Tea,b,c,l,"], "row 1: gtin '085021001008': the check digit is wrong"),
        (["N1,,Tea,b,c,l,", "N1,,Box,b,c,l,"], "row 2: native_id 'N1' stands twice"),
        (["N1,,Tea,,c,l,"], "row 1: 'brand_id' is empty"),
    ],
)
def test_a_bad_catalog_names_row_and_fault(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(CatalogError, match=message):
        load_catalog(catalog(tmp_path, *lines))


def test_a_missing_catalog_or_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r"none\.csv: cannot be read"):
        load_catalog(tmp_path / "none.csv")
    path = tmp_path / "catalog.csv"
    path.write_text("native_id,gtn\nN1,1\n")
    with pytest.raises(CatalogError, match="'gtin' is missing; did you mean 'gtn'"):
        load_catalog(path)


def test_audiences_carry_their_retailer(tmp_path: Path) -> None:
    path = tmp_path / "shop" / "reference" / "audiences.csv"
    path.parent.mkdir(parents=True)
    path.write_text("audience_id,name\nloyal,Loyal\n")
    assert load_audiences(path).rows() == [("shop", "loyal", "Loyal")]
    assert load_audiences(path, "other")["retailer_id"].to_list() == ["other"]
    assert check_table(load_audiences(path), RMISAudience) == []


def test_products_of_several_catalogs_are_one_table_and_two_brands_a_fault(tmp_path: Path) -> None:
    first = load_catalog(catalog(tmp_path / "a", "N1,85021001007,Tea,b,c,l,"))
    second = load_catalog(catalog(tmp_path / "b", "M7,85021001007,Tea 6,b,c,l,", "M8,,Box,b,c,l,"))
    assert skus_frame([first, second])["title"].to_list() == ["Tea", "Box"]
    other = load_catalog(catalog(tmp_path / "c", "K1,85021001007,Tea,rival,c,l,"))
    with pytest.raises(CatalogError, match="00085021001007 has several brands: b, rival"):
        skus_frame([first, other])
    assert skus_frame([]).is_empty()


def test_a_restricted_number_is_refused_or_an_own_id_but_never_a_gtin(tmp_path: Path) -> None:
    # 2… is weighed in the store: the next retailer gives that number to another product.
    path = catalog(tmp_path, "N1,2012345678903,Ham,b,c,l,")
    with pytest.raises(CatalogError, match="row 1: gtin '2012345678903': restricted circulation"):
        load_catalog(path)
    frame = load_catalog(path, restricted="own_id")
    assert frame.select("sku_id", "gtin").rows() == [("shop:N1", None)]


def test_tolerating_restricted_numbers_tolerates_no_wrong_check_digit(tmp_path: Path) -> None:
    path = catalog(tmp_path, "N1,085021001008,Tea,b,c,l,")
    with pytest.raises(CatalogError, match="check digit"):
        load_catalog(path, restricted="own_id")


def crosswalk_file(folder: Path, text: str, name: str = "crosswalk.csv") -> Path:
    path = folder / "shop" / "reference" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_crosswalk_gives_products_with_period_and_origin(tmp_path: Path) -> None:
    path = crosswalk_file(
        tmp_path,
        "native_id,gtin,valid_from,valid_to,source,reviewed_by\n"
        "A1,85021001007,2026-01-01,,buyer,ana\n"
        "A2,4006381333931,,,,\n",
    )
    frame = load_crosswalk(path)
    assert dict(frame.schema) == CROSSWALK_SCHEMA
    assert frame.rows() == [
        ("A1", "00085021001007", "00085021001007", date(2026, 1, 1), None, "buyer", "ana", 1),
        ("A2", "04006381333931", "04006381333931", None, None, None, None, 2),
    ]


def test_a_crosswalk_for_many_retailers_gives_each_its_own_rows(tmp_path: Path) -> None:
    long = crosswalk_file(
        tmp_path, "retailer_id,native_id,gtin\nshop,A1,85021001007\nother,B1,85021001007\n,C1,96385074\n"
    )
    assert load_crosswalk(long)["native_id"].to_list() == ["A1", "C1"]
    assert load_crosswalk(long, "other")["native_id"].to_list() == ["B1", "C1"]
    wide = crosswalk_file(tmp_path, "gtin14,asin,item_id\n00085021001007,B0X,77\n04006381333931,,78\n")
    frame = load_crosswalk(wide, native_column="asin", gtin_column="gtin14")
    assert frame.select("native_id", "sku_id").rows() == [("B0X", "00085021001007")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("native_id,gtin\nA1,7.42676E+11\n", "row 1: gtin '7.42676E.11': scientific notation"),
        ("native_id,gtin\nA1,\n", "row 1: 'gtin' is empty"),
        ("native_id,gtin\n,96385074\n", "row 1: 'native_id' is empty"),
        ("native_id,upc\nA1,1\n", "'gtin' is missing"),
        ("native_id,gtin,valid_from\nA1,96385074,01.02.2026\n", "row 1: valid_from '01.02.2026' is no date"),
        (
            "native_id,gtin,valid_from,valid_to\nA1,96385074,2026-02-01,2026-01-01\n",
            "row 1: valid_from 2026-02-01 lies after valid_to 2026-01-01",
        ),
    ],
)
def test_a_bad_crosswalk_names_row_and_fault(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(CatalogError, match=message):
        load_crosswalk(crosswalk_file(tmp_path, text))


def ids(*rows: tuple[str, str]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"native_id": pl.String, "sku_id": pl.String}, orient="row")


def test_tables_that_agree_are_one_table_and_own_ids_give_way_to_gtins() -> None:
    merged = merge_crosswalks(
        {
            "catalog.csv": ids(("N1", "00085021001007"), ("N2", "shop:N2"), ("N3", "shop:N3")),
            "crosswalk.csv": ids(
                ("N1", "00085021001007"), ("N2", "04006381333931"), ("N9", "00000096385074")
            ),
        }
    )
    assert sorted(merged.rows()) == [
        ("N1", "00085021001007"),
        ("N2", "04006381333931"),
        ("N3", "shop:N3"),
        ("N9", "00000096385074"),
    ]
    assert merge_crosswalks({}).columns == ["native_id", "sku_id"]


def test_one_item_id_for_two_products_names_both_rows() -> None:
    with pytest.raises(
        CatalogError,
        match=r"'N2' is 00085021001007 in catalog\.csv: row 2 and 04006381333931 in crosswalk\.csv: row 1;",
    ):
        merge_crosswalks(
            {
                "catalog.csv": ids(("N1", "00000096385074"), ("N2", "00085021001007")),
                "crosswalk.csv": ids(("N2", "04006381333931")),
            }
        )
    with pytest.raises(CatalogError, match=r"catalog\.csv: the crosswalk has no column 'sku_id'"):
        merge_crosswalks({"catalog.csv": pl.DataFrame({"native_id": ["N1"]})})


def test_an_item_id_given_to_another_product_later_needs_the_day(tmp_path: Path) -> None:
    path = crosswalk_file(
        tmp_path,
        "native_id,gtin,valid_from,valid_to\nA1,85021001007,,2026-01-31\nA1,4006381333931,2026-02-01,\n",
    )
    tables = {"crosswalk.csv": load_crosswalk(path)}
    with pytest.raises(CatalogError, match=r"row 1 and .* row 2; .*on=…"):
        merge_crosswalks(tables)
    assert merge_crosswalks(tables, on=date(2026, 1, 31))["sku_id"].to_list() == ["00085021001007"]
    assert merge_crosswalks(tables, on=date(2026, 2, 1))["sku_id"].to_list() == ["04006381333931"]


def test_a_filled_catalog_names_products_as_the_crosswalk_does(tmp_path: Path) -> None:
    frame = load_catalog(catalog(tmp_path, "N1,85021001007,Tea,b,c,l,", "N2,,Box,b,c,l,", "N3,,Bag,b,c,l,"))
    merged = merge_crosswalks({"catalog": frame, "crosswalk": ids(("N2", "04006381333931"))})
    filled = fill_catalog(frame, merged)
    assert filled.columns == frame.columns
    assert filled.select("native_id", "sku_id", "gtin").rows() == [
        ("N1", "00085021001007", "00085021001007"),
        ("N2", "04006381333931", "04006381333931"),
        ("N3", "shop:N3", None),
    ]


SHARED = Path(__file__).resolve().parents[3] / "shared" / "feeds" / "sku_crosswalk.csv"


@pytest.mark.skipif(not SHARED.is_file(), reason="the shared feeds are not on this machine")
@pytest.mark.parametrize("gtin_column", ["gtin14", "ean13", "upc12"])
@pytest.mark.parametrize("native_column", ["amazon_asin", "walmart_item_id", "criteo_retailer_sku"])
def test_every_networks_ids_lead_to_the_same_products(native_column: str, gtin_column: str) -> None:
    table = load_crosswalk(SHARED, "shop", native_column=native_column, gtin_column=gtin_column)
    raw = pl.read_csv(SHARED, infer_schema=False)
    assert table.select("native_id", "sku_id").rows() == raw.select(native_column, "gtin14").rows()
