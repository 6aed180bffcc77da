"""Reference files: catalogs and audiences, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

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
