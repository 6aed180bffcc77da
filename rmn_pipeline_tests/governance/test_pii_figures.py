"""The room's aims, on the labelled set: held-out formats in held-out sentences, and 1,000 clean retail lines."""

import pytest

from rmn_pipeline.governance.evaluation.figures import Evaluation, Share, evaluate
from rmn_pipeline.governance.evaluation.formats import FORMATS
from rmn_pipeline.governance.evaluation.labelled_set import clean_texts, labelled_texts
from rmn_pipeline.governance.pii import detect_pii


@pytest.fixture(scope="module", params=["development", "held_out"])
def evaluation(request: pytest.FixtureRequest) -> Evaluation:
    return evaluate(detect_pii, [*labelled_texts(request.param, per_group=400), *clean_texts(request.param)])


def test_e_mail_is_found_with_precision_and_recall_of_99_percent(evaluation: Evaluation) -> None:
    figures = evaluation.by_type["EMAIL_ADDRESS"]
    assert figures.precision.value >= 0.99
    assert evaluation.recall_by_group["EMAIL_ADDRESS"].value >= 0.99


def test_obfuscated_e_mail_and_damaged_ssn_are_found(evaluation: Evaluation) -> None:
    assert evaluation.recall_by_group["EMAIL_ADDRESS/obfuscated"].value >= 0.97
    assert evaluation.recall_by_group["US_SSN/ocr"].value >= 0.97
    assert evaluation.by_type["US_SSN"].recall.value >= 0.97


def test_cards_are_found_and_hardly_anything_else_is_called_one(evaluation: Evaluation) -> None:
    figures = evaluation.by_type["CREDIT_CARD"]
    assert figures.recall.value >= 0.95
    assert figures.precision.value >= 0.99


def test_phones_are_found_at_their_aims(evaluation: Evaluation) -> None:
    figures = evaluation.by_type["PHONE_NUMBER"]
    assert figures.recall.value >= 0.75
    assert figures.precision.value >= 0.90


def test_at_most_2_percent_of_clean_retail_lines_are_flagged(evaluation: Evaluation) -> None:
    assert evaluation.clean_flagged.of == 1_000
    assert evaluation.clean_flagged.hits <= 20


def test_the_splits_share_no_format() -> None:
    for formats in FORMATS.values():
        assert formats["development"] and formats["held_out"]
    assert labelled_texts("held_out", per_group=2) == labelled_texts("held_out", per_group=2)
    development = {item.text for item in labelled_texts("development", per_group=50)}
    assert not development & {item.text for item in labelled_texts("held_out", per_group=50)}


def test_wilsons_interval_is_the_published_one() -> None:
    low, high = Share(9, 10).interval
    assert (round(low, 4), round(high, 4)) == (0.5958, 0.9821)
    assert Share(0, 0).interval == (0.0, 1.0)
