"""The schema: one declaration per table, and checks that follow from it."""

from __future__ import annotations

import polars as pl
from pydantic import BaseModel

from rmn_pipeline.rmis import (
    EVENTS_SCHEMA,
    FULL_DATA_ONLY_FIELDS,
    POLICIES_SCHEMA,
    RMISRecord,
    RMISSku,
    check_parts,
    check_table,
    empty_table,
    mapping_json_schema,
    polars_schema,
)
from rmn_pipeline.rmis.models import ADDITIVE_FIELDS
from rmn_pipeline_tests.rmis.fixtures import BASE


def required(model: type[BaseModel]) -> list[str]:
    return [name for name, field in model.model_fields.items() if field.is_required()]


def test_polars_schemas_follow_the_models() -> None:
    assert EVENTS_SCHEMA["date"] == pl.Date()
    assert EVENTS_SCHEMA["impressions"] == pl.Int64()
    assert EVENTS_SCHEMA["conversions"] == pl.Float64()
    assert EVENTS_SCHEMA["placement_type"] == pl.String()
    assert POLICIES_SCHEMA["banned_terms"] == pl.List(pl.String())
    assert list(EVENTS_SCHEMA)[-7:] == list(FULL_DATA_ONLY_FIELDS)
    assert EVENTS_SCHEMA["event_at"] == pl.Datetime("us", "UTC")
    assert not {"account_id", "ad_id", "search_term", "original_currency"} & set(required(RMISRecord))
    assert set(ADDITIVE_FIELDS) <= set(required(RMISRecord))
    assert "brand_id" not in EVENTS_SCHEMA
    assert polars_schema(RMISRecord) == dict(empty_table(RMISRecord).schema)


def sku_rows(**changes: object) -> pl.DataFrame:
    values = {"sku_id": "1", "gtin": "00085021001007", "title": "t", "brand_id": "b", "category": "c"}
    return pl.DataFrame([{**values, "line_id": "l", "size": None, **changes}], schema=polars_schema(RMISSku))


def test_a_table_that_fits_has_no_violations() -> None:
    assert check_table(sku_rows(), RMISSku) == []
    assert check_table(empty_table(RMISRecord), RMISRecord) == []
    assert check_table(sku_rows(gtin=None), RMISSku) == []


def test_each_kind_of_violation_is_named() -> None:
    assert [(v.column, v.kind, v.rows) for v in check_table(sku_rows(title=None), RMISSku)] == [
        ("title", "null", 1)
    ]
    assert [(v.column, v.kind) for v in check_table(sku_rows(gtin="85021"), RMISSku)] == [("gtin", "pattern")]
    changed = sku_rows().drop("size").with_columns(pl.lit(1).alias("title"), pl.lit("x").alias("extra"))
    assert {(v.column, v.kind) for v in check_table(changed, RMISSku)} == {
        ("size", "missing_column"),
        ("title", "type"),
        ("extra", "unknown_column"),
    }


def test_listed_values_and_ranges_of_events_are_checked() -> None:
    row = dict.fromkeys(EVENTS_SCHEMA) | {"placement_type": "shelf", "source_row": 0, "currency": "usd"}
    found = {(v.column, v.kind) for v in check_table(pl.DataFrame([row], schema=EVENTS_SCHEMA), RMISRecord)}
    assert {
        ("placement_type", "enum"),
        ("source_row", "range"),
        ("currency", "pattern"),
        ("cost", "null"),
    } <= found
    assert ("audience_id", "null") not in found


def test_the_published_mapping_schema_lists_the_mappable_fields_and_forbids_others() -> None:
    schema = mapping_json_schema()
    fields = schema["properties"]["columns"]["propertyNames"]["enum"]
    assert set(BASE["columns"]) <= set(fields)
    assert {"event_id", "sku_id", "as_of"}.isdisjoint(fields)
    assert set(BASE) <= set(schema["properties"])
    assert schema["additionalProperties"] is False
    assert "from" in schema["$defs"]["ColumnRule"]["required"]


def test_a_table_in_parts_is_checked_like_the_whole() -> None:
    broken = sku_rows().with_columns(title=pl.lit(None, pl.String))
    whole = check_table(pl.concat([sku_rows(), broken, broken]), RMISSku)
    assert [violation.rows for violation in whole] == [2 * broken.height]
    assert check_parts(iter([sku_rows(), broken.lazy(), broken]), RMISSku) == whole
