"""The product of every row: bar codes verified, item ids looked up in the retailer's crosswalk."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from rmn_pipeline.rmis.cells import Cells, only_where
from rmn_pipeline.rmis.errors import HarmonizeError
from rmn_pipeline.rmis.faults import Fault, fault_at, fault_for_all
from rmn_pipeline.rmis.gtin import CodeSettings, gtin_table
from rmn_pipeline.rmis.mapping import Mapping, SkuRule
from rmn_pipeline.rmis.reading import Read
from rmn_pipeline.rmis.values import clean_text

SKU = "sku_id"


@dataclass(frozen=True)
class NativeSku:
    """The network's own item ids, looked up in a crosswalk (columns code and sku_id)."""

    rule: SkuRule
    retailer_id: str
    clean: pl.Expr
    crosswalk: pl.DataFrame

    def read(self, cells: Cells) -> Read:
        """The sku_id of every row, and the ids that give none."""
        codes = _codes(cells, self.clean)
        found = codes.to_frame().join(self.crosswalk, on="code", how="left", maintain_order="left")[SKU]
        if self.rule.unknown == "keep":
            own_ids = f"{self.retailer_id}:" + codes
            return _complete(self.rule, cells, found.zip_with(found.is_not_null(), own_ids), [])
        return _complete(self.rule, cells, found, [_unknown(cells, codes, found.is_null())])


@dataclass(frozen=True)
class GtinSku:
    """Bar codes, verified; `known` lists the products of the catalog, None accepts every valid code."""

    rule: SkuRule
    clean: pl.Expr
    settings: CodeSettings
    known: pl.Series | None

    def read(self, cells: Cells) -> Read:
        """The sku_id of every row, and the codes that give none."""
        codes = _codes(cells, self.clean)
        table = codes.to_frame().join(
            gtin_table(codes, self.settings), on="code", how="left", maintain_order="left"
        )
        faults = [
            self._problem(cells, table, problem)
            for problem in table["problem"].drop_nulls().unique(maintain_order=True)
        ]
        found = table["gtin14"]
        if self.known is not None:
            known = only_where(found.is_in(self.known.to_list()), found)
            faults.append(_unknown(cells, codes, found.is_not_null() & known.is_null()))
            found = known
        return _complete(self.rule, cells, found, faults)

    @staticmethod
    def _problem(cells: Cells, table: pl.DataFrame, problem: str) -> Fault:
        chosen = (table["problem"] == problem).fill_null(False).arg_true()
        codes, reasons = table["code"].gather(chosen), table["reason"].gather(chosen)
        messages = "product code '" + codes + "': " + reasons.fill_null("")
        return fault_at(cells, f"{problem}.{SKU}", chosen, messages)


SkuReading = NativeSku | GtinSku


def _codes(cells: Cells, clean: pl.Expr) -> pl.Series:
    texts = cells.values.cast(pl.String, strict=False).alias("text")
    return texts.to_frame().select(clean.alias("code")).to_series()


def _unknown(cells: Cells, codes: pl.Series, unknown: pl.Series) -> Fault:
    chosen = (unknown & codes.is_not_null()).arg_true()
    messages = "product '" + codes.gather(chosen) + "' is not in the catalog"
    return fault_at(cells, f"unknown.{SKU}", chosen, messages)


def _complete(rule: SkuRule, cells: Cells, found: pl.Series, faults: list[Fault]) -> Read:
    """Spread over the rows; a row without any code is a fault as well."""
    spread = cells.spread(found)
    if spread.null_count():
        empty = spread.is_null()
        for fault in faults:
            empty = empty.scatter(fault.rows, False)
        message = f"{SKU} is empty (from '{rule.sources[0]}')"
        faults = [*faults, fault_for_all(f"not_null.{SKU}", empty.arg_true(), message)]
    return Read(spread, tuple(faults))


def compile_sku(mapping: Mapping, crosswalk: pl.DataFrame | None) -> SkuReading:
    """The reading of a mapping's products. HarmonizeError where the crosswalk does not serve it."""
    rule = mapping.sku
    clean = clean_text(pl.col("text"), mapping.source.null_values)
    if rule.kind == "native":
        return NativeSku(rule, mapping.retailer_id, clean, _native_table(mapping, crosswalk))
    return GtinSku(rule, clean, CodeSettings(**rule.code.model_dump()), _known(mapping, crosswalk))


def _native_table(mapping: Mapping, crosswalk: pl.DataFrame | None) -> pl.DataFrame:
    if crosswalk is None:
        raise HarmonizeError(
            f"{mapping.retailer_id}: its product ids are the network's own; pass crosswalk=load_catalog(…)"
        )
    _demand_columns(mapping, crosswalk, ("native_id", SKU))
    table = crosswalk.select(pl.col("native_id").cast(pl.String).alias("code"), pl.col(SKU))
    table = table.drop_nulls().unique(maintain_order=True)
    if table["code"].is_duplicated().any():
        raise HarmonizeError(f"{mapping.retailer_id}: the crosswalk ties one native_id to several products")
    return table


def _known(mapping: Mapping, crosswalk: pl.DataFrame | None) -> pl.Series | None:
    if crosswalk is None or mapping.sku.unknown == "keep":
        return None
    _demand_columns(mapping, crosswalk, (SKU,))
    return crosswalk[SKU].drop_nulls().unique()


def _demand_columns(mapping: Mapping, crosswalk: pl.DataFrame, names: tuple[str, ...]) -> None:
    missing = [name for name in names if name not in crosswalk.columns]
    if missing:
        raise HarmonizeError(f"{mapping.retailer_id}: the crosswalk has no column {missing[0]!r}")
