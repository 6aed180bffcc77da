"""How often mapping proposals are right on networks that nobody tuned for, and that no vocabulary was peeked at.

Counting. F1 is micro over the columns of one header set: a column is right if its proposed target equals the
truth's target and is not None; every proposed column counts for precision, every column with a target in the truth
for recall. Product attributes ('sku_dim.name') are targets like others. A network's figure is the mean over its
header sets, the overall figure the mean over networks. `keys` (campaign_id, ad_group_id) are not counted, because
the truth tables have no such target; a second figure counts each of them as a mistake.

Leave one network out. "The ontology may not contain a header that occurs only in the network under test" is taken
at its strictest, three ways:

1. Before a network is measured, every phrase of the ontology is removed that, folded and cut into words, equals one
   of the headers that only this network has. Windows do not count, so 'sales14d' removes the word 'sale', and the
   network's other files count, so a 'cost' in one report removes the word for all. Single dictionary words are not
   spared. What is left must find the columns by other words, by values, and by what columns say of one another.
2. A harder ablation removes every phrase that uses any *word* that only this network's headers have.
3. The ontology as shipped may hold such a phrase only if it is listed here with an independent source.

No report is ever compared with another one's values: the composed samples share numbers.

Mean F1 over the four networks, at the first run of these proposals and now; the proposals before them, word lists
with an edit distance, reached 0.832 with keys left aside, and 0.501 on the held-out reports:

| ontology                                 | first | now   | keys as mistakes |
| ---------------------------------------- | ----- | ----- | ---------------- |
| as shipped                               | 0.978 | 0.994 | 0.897            |
| without the network's own headers (1)    | 0.945 | 0.982 | 0.895            |
| without the network's own words (2)      | 0.880 | 0.905 | 0.821            |

What changed in between was general (counts named by 'num', money that comes and goes with its count, rates read by
their own window), but it was found by looking at these networks' mistakes; the held-out figures are the cleaner ones.

Held-out reports. Eight composed reports of other networks were fixed, with their truth, before the proposals were
written, and first measured after they were: mean F1 0.929 (0.892 with each report's own headers removed from the
ontology). Two changes since were made because of them: a rate's name in front of every header (cpc_clicks) is the
way of billing, and a sale campaign's id is a key (which F1 does not count). The figures asserted below are those
after them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import polars as pl
import pytest

from rmn_pipeline.rmis import MappingProposal, propose_mapping
from rmn_pipeline.rmis.proposals import Ontology, shipped_ontology
from rmn_pipeline.rmis.proposals.words import words_of
from rmn_pipeline_tests.rmis.proposal_reports import HeaderSet, Split, header_sets
from rmn_pipeline_tests.rmis.proposal_scores import Bin, Score, mean, reliability, score, with_keys

SAMPLES = Path(__file__).parents[3] / "shared" / "feeds"
needs_samples = pytest.mark.skipif(
    not SAMPLES.is_dir(), reason="shared/feeds, the network samples, is absent"
)

SPLITS: tuple[Split, ...] = ("tuned", "held_out")
# Header sets with a truth table, by network.
REPORTS: dict[str, tuple[tuple[str, str], ...]] = {
    "amazon_ads": (
        ("composed_spAdvertisedProduct_daily.json.gz", "truth.json"),
        ("composed_console_search_term_en_US.csv", "truth_console_search_term.json"),
        ("real_fivetran_advertised_product_report_data.csv", "truth_fivetran_advertised_product.json"),
    ),
    "walmart_connect": (("composed_adItem_v2.csv.gz", "truth.json"),),
    "criteo_retail_media": (("composed_lineitem_product.csv", "truth.json"),),
    "instacart_ads": (
        ("composed_v2_products.csv", "truth.json"),
        ("composed_v3_sponsored_product_product.csv", "truth_v3.json"),
    ),
}
_MRC = "IAB/MRC Retail Media Measurement Guidelines, and the IAB glossary"
_PLAIN = "plain English, in every dictionary"
_ITALIAN = "plain Italian, in every dictionary"
_SEARCH_ADS = "Google Ads API and Microsoft Advertising API, report fields"
_GS1 = "GS1 General Specifications"
# Phrases that equal a header which, of the four sample networks, only one has; and where else they come from.
EXCEPTIONS: dict[str, str] = {
    "ad group": _SEARCH_ADS,
    "asin": "Wikidata property P5749; sellers' catalogue tools list it beside UPC and EAN",
    "bid": _MRC,
    "brand": _PLAIN,
    "campaign": _MRC,
    "clic": _ITALIAN,
    "click through rate": _MRC,
    "conversion rate": _MRC,
    "cost": _PLAIN,
    "cost per click": _MRC,
    "country": _PLAIN,
    "cpc": _MRC,
    "cpo": _MRC,
    "currency code": "ISO 4217",
    "environment": _PLAIN,
    "impressioni": _ITALIAN,
    "product": _PLAIN,
    "purchase": _PLAIN,
    "retailer": _PLAIN,
    "sale": _PLAIN,
    "search term": _SEARCH_ADS,
    "sku": _GS1,
    "spesa": _ITALIAN,
    "state": _PLAIN,
    "status": _PLAIN,
    "targeting": _MRC,
    "timezone": _PLAIN,
    "upc": _GS1,
    "valuta": _ITALIAN,
}


@dataclass(frozen=True)
class Measured:
    """One header set's proposal beside its truth."""

    name: str
    proposal: MappingProposal
    truth: dict[str, str | None]

    @property
    def score(self) -> Score:
        return score(self.proposal.columns, self.truth)


def _first_line(path: Path) -> str:
    encoding = "cp1252" if "cp1252" in path.name else "utf-8-sig"
    return path.read_bytes().decode(encoding).splitlines()[0]


def _headers_in(path: Path) -> set[str]:
    """Every header that a file of a network's folder shows."""
    if path.name.startswith("truth"):
        return set(json.loads(path.read_text()))
    if path.name == "v1_legacy_columns.txt":
        return set(path.read_text().split())
    if path.name.startswith(("composed", "real", "documented")) and path.suffix == ".json":
        return {name for row in json.loads(path.read_text()) for name in row}
    if path.name.startswith(("composed", "real")) and path.suffix == ".csv":
        return set(_first_line(path).split(";" if "cp1252" in path.name else ","))
    return set()


@cache
def network_headers(network: str) -> frozenset[str]:
    """All headers of a network, from all its files; packed reports are in their truth tables too."""
    return frozenset(header for path in (SAMPLES / network).iterdir() for header in _headers_in(path))


def own_headers(network: str) -> list[str]:
    """The headers that, as words, no other network has."""
    others = {words_of(header) for other in REPORTS if other != network for header in network_headers(other)}
    return [header for header in network_headers(network) if words_of(header) not in others]


def own_words(network: str) -> set[str]:
    """The words that stand in no other network's headers."""
    others = {
        word
        for other in REPORTS
        if other != network
        for header in network_headers(other)
        for word in words_of(header)
    }
    return {word for header in network_headers(network) for word in words_of(header)} - others


def measure(network: str, ontology: Ontology) -> list[Measured]:
    folder = SAMPLES / network
    return [
        Measured(
            f"{network}/{report}",
            propose_mapping(folder / report, ontology=ontology),
            json.loads((folder / truth).read_text()),
        )
        for report, truth in REPORTS[network]
    ]


@cache
def left_out() -> dict[str, tuple[Measured, ...]]:
    """Every network measured without the phrases that are headers of it alone."""
    return {
        network: tuple(measure(network, shipped_ontology().without(own_headers(network))))
        for network in REPORTS
    }


def _told(measured: Iterable[Measured]) -> str:
    return "\n".join(f"{one.name}: {one.score.f1:.3f} {list(one.score.errors)}" for one in measured)


@needs_samples
def test_the_removal_leaves_no_phrase_that_is_a_header_of_the_network_alone() -> None:
    for network in REPORTS:
        ontology = shipped_ontology().without(own_headers(network))
        mine = {words_of(header) for header in own_headers(network)}
        assert mine, network
        assert mine.isdisjoint(ontology.senses)
    # A word that is one network's header goes, also where only its window made it that network's.
    assert ("sale",) not in shipped_ontology().without(own_headers("amazon_ads")).senses
    assert ("sale",) in shipped_ontology().senses


@needs_samples
def test_the_shipped_ontology_holds_no_single_networks_header_without_an_independent_source() -> None:
    found = {
        " ".join(words_of(header))
        for network in REPORTS
        for header in own_headers(network)
        if words_of(header) in shipped_ontology().senses
    }
    assert found == set(EXCEPTIONS)
    assert all(EXCEPTIONS.values())


@needs_samples
def test_leaving_one_network_out_f1_is_at_least_ninety_percent_on_average_and_for_each_network() -> None:
    measured = left_out()
    by_network = {network: mean(one.score.f1 for one in sets) for network, sets in measured.items()}
    told = _told([one for sets in measured.values() for one in sets])
    assert mean(by_network.values()) >= 0.97, told
    assert min(by_network.values()) >= 0.90, told
    # Header by header, unpooled: the report whose product columns are empty is the weakest.
    assert min(one.score.f1 for sets in measured.values() for one in sets) >= 0.83, told


@needs_samples
def test_what_is_wrong_without_the_networks_own_headers_is_known() -> None:
    errors = {one.name.split("/")[1]: one.score.errors for sets in left_out().values() for one in sets}
    assert {name: list(wrong) for name, wrong in errors.items() if wrong} == {
        # The words asin and sku are gone; here the codes' shape tells the one, but not the other.
        "composed_spAdvertisedProduct_daily.json.gz": ["'advertisedSku': None instead of sku_dim.seller_sku"],
        # Both columns are empty in every row, so no value can stand in for the lost words.
        "real_fivetran_advertised_product_report_data.csv": [
            "' advertised_asin': None instead of sku_id",
            "' advertised_sku': None instead of sku_dim.seller_sku",
        ],
    }


@needs_samples
def test_campaign_and_ad_group_keys_counted_as_mistakes_leave_f1_near_ninety_percent() -> None:
    figures = [
        mean(score(with_keys(one.proposal), one.truth).f1 for one in sets) for sets in left_out().values()
    ]
    assert mean(figures) >= 0.89


@needs_samples
def test_without_any_word_that_only_the_network_uses_nine_tenths_are_still_found() -> None:
    figures = []
    for network in REPORTS:
        words = own_words(network)
        ontology = shipped_ontology().without_words(words)
        assert not any(words & set(phrase) for phrase in ontology.senses)
        figures.append(mean(one.score.f1 for one in measure(network, ontology)))
    assert mean(figures) >= 0.90, figures


@needs_samples
def test_with_the_shipped_ontology_one_column_of_the_sample_networks_is_wrong() -> None:
    errors = [
        error
        for network in REPORTS
        for one in measure(network, shipped_ontology())
        for error in one.score.errors
    ]
    # The truth sees a constant in it; another table's 'retailerName' is a retailer_id, though.
    assert errors == ["'Retailer': retailer_id instead of None"]


@needs_samples
def test_an_italian_export_is_read_without_its_own_words() -> None:
    path = SAMPLES / "amazon_ads" / "composed_console_search_term_it_IT_cp1252.csv"
    frame = pl.read_csv(path, separator=";", encoding="cp1252", infer_schema=False)
    wanted = {
        "Data di inizio": "date",
        "Valuta": "currency",
        "Impressioni": "impressions",
        "Clic": "clicks",
        "Spesa": "cost",
        "Vendite totali (€) 7 giorni": "revenue",
        "Totale ordini (#) 7 giorni": "conversions",
    }
    truth = {header: wanted.get(header) for header in frame.columns}
    assert score(propose_mapping(frame).columns, truth).f1 == 1.0
    without = propose_mapping(frame, ontology=shipped_ontology().without(own_headers("amazon_ads")))
    assert score(without.columns, truth).f1 >= 0.8


def _without_own(report: HeaderSet, others: list[HeaderSet]) -> Ontology:
    elsewhere = {words_of(header) for other in others if other.name != report.name for header in other.truth}
    return shipped_ontology().without(header for header in report.truth if words_of(header) not in elsewhere)


@cache
def composed(split: Split) -> tuple[Measured, ...]:
    """The composed reports of a split, with the ontology as shipped."""
    return tuple(
        Measured(report.name, propose_mapping(report.frame), report.truth) for report in header_sets(split)
    )


@cache
def composed_without_own(split: Split) -> tuple[Measured, ...]:
    """The same, each without the phrases that are headers of it alone among the composed reports."""
    everything = header_sets("tuned") + header_sets("held_out")
    return tuple(
        Measured(
            report.name,
            propose_mapping(report.frame, ontology=_without_own(report, everything)),
            report.truth,
        )
        for report in header_sets(split)
    )


def test_reports_that_the_proposals_were_built_on_are_read_without_a_mistake() -> None:
    measured = composed("tuned")
    assert [one.score.errors for one in measured] == [()] * 6, _told(measured)


def test_held_out_reports_of_eight_other_networks_reach_ninety_percent() -> None:
    measured = composed("held_out")
    assert mean(one.score.f1 for one in measured) >= 0.98, _told(measured)
    assert {one.name: one.score.errors for one in measured if one.score.errors} == {
        "latin_marketplace": (
            "'advertising_items_quantity': None instead of conversions",
            "'units_quantity': conversions instead of None",
        )
    }


def test_held_out_reports_are_read_without_their_own_headers_in_the_ontology() -> None:
    measured = composed_without_own("held_out")
    assert mean(one.score.f1 for one in measured) >= 0.93, _told(measured)


@pytest.mark.parametrize(
    "report", header_sets("tuned") + header_sets("held_out"), ids=lambda report: report.name
)
def test_campaign_and_ad_group_ids_are_proposed_as_keys(report: HeaderSet) -> None:
    proposal = propose_mapping(report.frame)
    assert proposal.keys.items() >= report.keys.items()


def _points(measured: Iterable[Measured]) -> list[tuple[float, bool]]:
    return [
        (one.proposal.confidence[column], target == one.truth[column])
        for one in measured
        for column, target in one.proposal.columns.items()
        if column not in one.proposal.keys
    ]


def _table(bins: list[Bin]) -> str:
    return "\n".join(
        f"from {one.low:.2f}: {one.columns} columns, confidence {one.confidence:.3f}, right {one.right:.3f}"
        for one in bins
    )


def test_confidence_says_how_often_a_proposal_is_right() -> None:
    measured = [
        *(one for split in SPLITS for one in composed(split)),
        *(one for split in SPLITS for one in composed_without_own(split)),
    ]
    bins = reliability(_points(measured), (0.0, 0.8, 0.95))
    told = _table(bins)
    assert [one.low for one in bins] == [0.0, 0.8, 0.95], told
    assert bins[2].right >= 0.98, told
    assert bins[1].right >= 0.80, told
    assert bins[0].right >= 0.60, told
    gap = sum(one.columns * abs(one.confidence - one.right) for one in bins) / sum(
        one.columns for one in bins
    )
    assert gap <= 0.06, told
