"""Personal data in texts: how much is found, how often wrongly, and how fast.

    python benchmarks/pii.py                    figures on the labelled set, throughput of the scan
    python benchmarks/pii.py --baseline         the same figures for Presidio's own recognizers
    python benchmarks/pii.py --faker            figures on values of another generator (pip install faker)
    python benchmarks/pii.py --mistakes 40      what was missed or found wrongly

One process, one core: Polars is held to one thread.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator, Sequence
from random import Random

os.environ.setdefault("POLARS_MAX_THREADS", "1")

import polars as pl

from rmn_pipeline.governance.evaluation.clean_lines import retail_texts
from rmn_pipeline.governance.evaluation.figures import Detector, Evaluation, evaluate
from rmn_pipeline.governance.evaluation.formats import Split
from rmn_pipeline.governance.evaluation.labelled_set import (
    LabelledText,
    clean_texts,
    labelled_text,
    labelled_texts,
)
from rmn_pipeline.governance.pii.detect import detect_pii
from rmn_pipeline.governance.pii.gates import open_gates_expression
from rmn_pipeline.governance.pii.scan import scan_texts
from rmn_pipeline.governance.pii.spans import ENTITY_TYPES, PiiSpan

THROUGHPUT_TEXTS = 50_000
PERSONAL_SHARE = 0.01
# Locales whose values were looked at while recognizers were changed, and others that never were.
LOOKED_AT_LOCALES = "en_US en_GB de_DE fr_FR es_ES it_IT nl_NL en_AU en_IN pt_BR ja_JP"
FRESH_LOCALES = "en_CA en_NZ en_IE de_AT de_CH fr_CA pl_PL sv_SE da_DK pt_PT"
_UNIFORM_NAMES = {"MAC_ADDRESS": "DEVICE_ID"}


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--texts", type=int, default=400, help="texts per group of formats (default 400)")
    parser.add_argument("--mistakes", type=int, default=0, help="how many mistakes to print")
    parser.add_argument("--baseline", action="store_true", help="Presidio's recognizers instead of ours")
    parser.add_argument("--faker", action="store_true", help="values of the library Faker")
    options = parser.parse_args()
    detector = _presidio_alone() if options.baseline else detect_pii
    if options.faker:
        for name, locales in (("looked at", LOOKED_AT_LOCALES), ("fresh", FRESH_LOCALES)):
            texts = list(_faker_texts(locales.split(), options.texts))
            _report(f"Faker, {name} locales", evaluate(detector, texts), options.mistakes)
        return
    splits: tuple[Split, ...] = ("development", "held_out")
    for split in splits:
        texts = [*labelled_texts(split, per_group=options.texts), *clean_texts(split)]
        _report(f"{split} formats", evaluate(detector, texts), options.mistakes)
    if not options.baseline:
        _throughput()


def _report(name: str, evaluation: Evaluation, mistakes: int) -> None:
    print(f"\n{name}: share [95 % Wilson interval]")
    for figures in evaluation.by_type.values():
        print(
            f"  {figures.entity_type:26} P {figures.precision}   R {figures.recall}   n={figures.recall.of}"
        )
    for group, share in evaluation.recall_by_group.items():
        if "/" in group:
            print(f"  {group:26} {'':25} R {share}   n={share.of}")
    if evaluation.clean_flagged.of:
        flagged = evaluation.clean_flagged
        print(f"  clean retail lines flagged: {flagged.hits} of {flagged.of}, {flagged}")
    for mistake in evaluation.mistakes[:mistakes]:
        print(f"    {mistake}")


def _throughput() -> None:
    """Texts per second of processor time, without any text twice being counted once."""
    detect_pii("call 415 555 2671")
    rng = Random(7)
    personal = [item.text for item in labelled_texts("held_out", per_group=60)]
    kinds: dict[str, list[str]] = {
        f"feed columns, {PERSONAL_SHARE:.0%} with personal data": [
            *retail_texts(int(THROUGHPUT_TEXTS * (1 - PERSONAL_SHARE)), seed=7),
            *rng.choices(personal, k=int(THROUGHPUT_TEXTS * PERSONAL_SHARE)),
        ],
        "lines full of ids (development)": [
            item.text for item in clean_texts("development", THROUGHPUT_TEXTS)
        ],
        "lines full of ids (held out)": [item.text for item in clean_texts("held_out", THROUGHPUT_TEXTS)],
        "personal data in every text": personal,
    }
    print("\nscan_texts, texts a second on one core:")
    for name, texts in kinds.items():
        series = pl.Series("text", texts)
        looked_at = series.to_frame().filter(open_gates_expression("text") > 0).height / len(texts)
        seconds = min(_seconds(lambda series=series: scan_texts(series)) for _ in range(3))
        print(f"  {name:42} {len(texts) / seconds:>9,.0f}   {looked_at:.0%} reach the recognizers")


def _seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def _presidio_alone() -> Detector:
    """Presidio as it comes, with a blank spaCy pipeline in the place of a model, at its usual threshold of .35."""
    import spacy
    import tldextract
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    class BlankEngine(SpacyNlpEngine):
        """Tokens and nothing else."""

        def __init__(self) -> None:
            super().__init__(models=[{"lang_code": "en", "model_name": "blank"}])
            self.nlp = {"en": spacy.blank("en")}

    # The suffix list that the library ships: nothing is downloaded.
    tldextract.tldextract.TLD_EXTRACTOR = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
    engine = BlankEngine()
    registry = RecognizerRegistry()
    registry.load_predefined_recognizers(languages=["en"], nlp_engine=engine)
    analyzer = AnalyzerEngine(registry=registry, nlp_engine=engine, default_score_threshold=0.35)

    def detect(text: str) -> Sequence[PiiSpan]:
        results = analyzer.analyze(text, language="en")
        named = ((found, _UNIFORM_NAMES.get(found.entity_type, found.entity_type)) for found in results)
        return [
            PiiSpan(found.start, found.end, name, found.score)
            for found, name in named
            if name in ENTITY_TYPES
        ]

    return detect


def _faker_texts(locales: list[str], count: int) -> Iterator[LabelledText]:
    """Values of Faker in the sentences of the labelled set."""
    from faker import Faker

    fakers = [Faker(locale) for locale in locales]
    for number, faker in enumerate(fakers):
        faker.seed_instance(5_000 + number)
    american = Faker("en_US")
    american.seed_instance(4_999)
    with_iban = [
        faker
        for faker in fakers
        if faker.locales[0] in ("en_GB", "de_DE", "fr_FR", "pl_PL", "de_CH", "sv_SE")
    ]
    makers: dict[str, Callable[[Random], str]] = {
        "EMAIL_ADDRESS": lambda rng: rng.choice(fakers).email(),
        "CREDIT_CARD": lambda rng: american.credit_card_number(),
        "PHONE_NUMBER/american": lambda rng: american.phone_number(),
        "PHONE_NUMBER/any": lambda rng: rng.choice(fakers).phone_number(),
        "US_SSN": lambda rng: american.ssn(),
        "IP_ADDRESS": lambda rng: american.ipv4_public() if rng.random() < 0.5 else american.ipv6(),
        "IBAN_CODE": lambda rng: rng.choice(with_iban).iban(),
        "STREET_ADDRESS/american": lambda rng: american.street_address(),
        "STREET_ADDRESS/any": lambda rng: rng.choice(fakers).street_address().replace("\n", ", "),
        "DEVICE_ID": lambda rng: american.mac_address(),
    }
    for group, make in makers.items():
        for number in range(count):
            rng = Random(f"{locales}:{group}:{number}")
            split: Split = "development" if number % 4 < 2 else "held_out"
            yield labelled_text(rng, group, split, value=make(rng), cued=number % 2 == 1)


if __name__ == "__main__":
    main()
