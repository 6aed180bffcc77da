"""Training sets of the adapters: rows of prompt and completion per kind, split, fingerprinted and checked for leaks.

Rows come from the pipeline's own mappings, catalog, policies and brand descriptions, put into words by the corpus
generators with fresh seeds. Every kind carries rows of its parent levels too (replay). A brand's own words for its
lines are private: they appear in that brand's manufacturer set and nowhere else.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Literal

import polars as pl

from rmn_pipeline.lora.corpus.creative import BANNED, POINTS, creative_example
from rmn_pipeline.lora.corpus.knowledge import LINE_QUESTIONS
from rmn_pipeline.lora.corpus.mapping import mapping_example, sample_values
from rmn_pipeline.lora.corpus.measurement import generate_measurement
from rmn_pipeline.lora.corpus.phrases import view
from rmn_pipeline.lora.corpus.planning import NamePool, generate_brief
from rmn_pipeline.lora.corpus.stream import generate_row
from rmn_pipeline.lora.corpus.values import bucket, sample_retailers
from rmn_pipeline.lora.prompts import CANONICAL_FIELDS, NO_FIELD, header_words

KINDS: tuple[str, ...] = (
    "industry",
    "retailer",
    "manufacturer",
    "task_planning",
    "task_creative",
    "task_measurement",
)
SPLITS: tuple[str, ...] = ("train", "evaluation")
Profile = Literal["default", "smoke"]

# Rows per kind as (train, evaluation).
_SIZES: dict[str, dict[str, tuple[int, int]]] = {
    "default": {
        "industry": (800, 120),
        "retailer": (600, 100),
        "manufacturer": (900, 120),
        "task_planning": (1_200, 120),
        "task_creative": (600, 80),
        "task_measurement": (600, 80),
    },
    "smoke": dict.fromkeys(KINDS, (32, 8)),
}
ROW_SCHEMA: dict[str, pl.DataType] = {
    "task": pl.String(),
    "prompt": pl.String(),
    "completion": pl.String(),
    "retailer_id": pl.String(),
    "brand_id": pl.String(),
    "template_id": pl.String(),
    "split": pl.String(),
}


class TrainingSetError(ValueError):
    """A training set that cannot be built, saved or read: what is wrong, where, and how to mend it."""


class PrivateLeakError(TrainingSetError):
    """A brand's private words in a training set that is not its own."""


@dataclass(frozen=True)
class TrainingSources:
    """What training sets are made from.

    `mappings`: retailer id to {raw column: RMIS field}; `unmapped`: retailer id to raw columns that fill no field;
    `skus`: columns of `rmis_skus`; `policies`: retailer id to its policy file's content (its `copy` section is used);
    `brands`: brand id to its brand file's content (lines with nicknames, tone).
    """

    mappings: Mapping[str, Mapping[str, str]]
    skus: pl.DataFrame
    policies: Mapping[str, Mapping[str, Any]]
    brands: Mapping[str, Mapping[str, Any]]
    unmapped: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def retailer_ids(self) -> tuple[str, ...]:
        """Return the retailers in order."""
        return tuple(sorted(self.mappings))

    @property
    def brand_ids(self) -> tuple[str, ...]:
        """Return the brands in order."""
        return tuple(sorted(self.brands))

    def nicknames(self, brand_id: str) -> dict[str, str]:
        """Return a brand's private words: nickname to line id."""
        lines = self.brands[brand_id].get("lines", [])
        return {nickname: line["line_id"] for line in lines for nickname in line.get("nicknames", [])}


@dataclass(frozen=True)
class TrainingSet:
    """Rows of one adapter with both splits."""

    kind: str
    adapter_id: str
    rows: pl.DataFrame
    fingerprint: str
    seed: int
    profile: str

    def split(self, name: str) -> pl.DataFrame:
        """Return the rows of one split."""
        return self.rows.filter(pl.col("split") == name)

    def card(self) -> dict[str, Any]:
        """Return the data card: counts only, no text of any row."""
        counts = self.rows.group_by("split", "task").len().sort("split", "task")
        return {
            "kind": self.kind,
            "adapter_id": self.adapter_id,
            "fingerprint": self.fingerprint,
            "seed": self.seed,
            "profile": self.profile,
            "rows": self.rows.height,
            "rows_by_split_and_task": [dict(row) for row in counts.iter_rows(named=True)],
            "templates": self.rows["template_id"].n_unique(),
            "private_to_brand": self.adapter_id.removeprefix("manufacturer_")
            if self.kind == "manufacturer"
            else None,
        }

    def save(self, folder: Path | str) -> Path:
        """Write one Parquet file per split and the data card; the old folder is replaced at the end."""
        target = Path(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        try:
            for name in SPLITS:
                self.split(name).write_parquet(new / f"{name}.parquet")
            (new / "card.json").write_text(json.dumps(self.card(), indent=2) + "\n", encoding="utf-8")
            new.chmod(0o755)
            if target.exists():
                shutil.rmtree(target)
            new.replace(target)
        finally:
            shutil.rmtree(new, ignore_errors=True)
        return target


def load_training_set(folder: Path | str) -> TrainingSet:
    """Read a saved training set and check it against its fingerprint."""
    source = Path(folder)
    card_path = source / "card.json"
    if not card_path.is_file():
        raise TrainingSetError(f"{source} holds no card.json; build the training set again")
    try:
        card = json.loads(card_path.read_text(encoding="utf-8"))
        rows = pl.concat([pl.read_parquet(source / f"{name}.parquet") for name in SPLITS])
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        raise TrainingSetError(f"{source} cannot be read ({error}); build the training set again") from error
    if fingerprint_of(rows) != card["fingerprint"]:
        raise TrainingSetError(
            f"{source}: rows differ from the fingerprint in card.json; build the training set again"
        )
    return TrainingSet(
        card["kind"], card["adapter_id"], rows, card["fingerprint"], card["seed"], card["profile"]
    )


def fingerprint_of(rows: pl.DataFrame) -> str:
    """Return the SHA-256 over all rows in order."""
    digest = hashlib.sha256()
    for row in rows.select(list(ROW_SCHEMA)).iter_rows():
        digest.update(json.dumps(row, ensure_ascii=False).encode())
        digest.update(b"\n")
    return digest.hexdigest()


def adapter_id_of(kind: str, *, retailer_id: str | None = None, brand_id: str | None = None) -> str:
    """Return the id of the adapter that a training set belongs to."""
    if kind == "industry":
        return "industry_retail_media"
    if kind in ("retailer", "manufacturer"):
        tenant = retailer_id if kind == "retailer" else brand_id
        if not tenant:
            needed = "retailer_id" if kind == "retailer" else "brand_id"
            raise TrainingSetError(f"kind {kind!r} needs {needed}")
        return f"{kind}_{tenant}"
    if kind not in KINDS:
        raise TrainingSetError(f"unknown kind {kind!r}: use one of {', '.join(KINDS)}")
    return kind


def build_training_set(
    kind: str,
    *,
    sources: TrainingSources,
    seed: int,
    profile: Profile = "default",
    retailer_id: str | None = None,
    brand_id: str | None = None,
) -> TrainingSet:
    """Build the rows of one kind of adapter; the same arguments give the same rows.

    Evaluation rows use lead sentences, questions, budgets, headers' spellings and SKUs that no training row uses.
    """
    adapter_id = adapter_id_of(kind, retailer_id=retailer_id, brand_id=brand_id)
    if profile not in _SIZES:
        raise TrainingSetError(f"unknown profile {profile!r}: use one of {', '.join(_SIZES)}")
    _check_tenant(sources, retailer_id, brand_id)
    makers = _makers(kind, sources, retailer_id, brand_id)
    forbidden = _private_pattern(sources, allowed_brand=brand_id if kind == "manufacturer" else None)
    rows: list[dict[str, Any]] = []
    for name, count in zip(SPLITS, _SIZES[profile][kind], strict=True):
        rows += _draw_rows(f"{seed}:{adapter_id}:{name}", name, count, makers, forbidden)
    frame = pl.DataFrame(rows, schema=ROW_SCHEMA)
    return TrainingSet(kind, adapter_id, frame, fingerprint_of(frame), seed, profile)


def check_private_leak(training_set: TrainingSet, sources: TrainingSources) -> None:
    """Raise `PrivateLeakError` if a row shows a brand's private words outside of that brand's own set."""
    own = (
        training_set.adapter_id.removeprefix("manufacturer_") if training_set.kind == "manufacturer" else None
    )
    forbidden = _private_pattern(sources, allowed_brand=own)
    if forbidden is None:
        return
    for number, (prompt, completion) in enumerate(
        training_set.rows.select("prompt", "completion").iter_rows()
    ):
        found = forbidden.search(f"{prompt}\n{completion}")
        if found:
            raise PrivateLeakError(
                f"training set {training_set.adapter_id}, row {number} shows {found.group()!r}, which is private to "
                "a brand; take the row out or train it in that brand's manufacturer adapter"
            )


def _private_pattern(sources: TrainingSources, allowed_brand: str | None) -> re.Pattern[str] | None:
    words = [
        nickname.removeprefix("the ")
        for brand_id in sources.brand_ids
        if brand_id != allowed_brand
        for nickname in sources.nicknames(brand_id)
    ]
    if not words:
        return None
    # Underscores and hyphens count as spaces, so that an id made of a nickname is found too.
    choices = "|".join(
        re.escape(word).replace(r"\ ", r"[\s_-]+") for word in sorted(words, key=len, reverse=True)
    )
    return re.compile(rf"(?<![a-z]){'(?:' + choices + ')'}(?![a-z])", re.IGNORECASE)


def _check_tenant(sources: TrainingSources, retailer_id: str | None, brand_id: str | None) -> None:
    if retailer_id is not None and retailer_id not in sources.mappings:
        raise TrainingSetError(
            f"unknown retailer {retailer_id!r}: known are {', '.join(sources.retailer_ids)}"
        )
    if brand_id is not None and brand_id not in sources.brands:
        raise TrainingSetError(f"unknown brand {brand_id!r}: known are {', '.join(sources.brand_ids)}")


# --- drawing rows ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Row:
    task: str
    prompt: str
    completion: str
    template_id: str
    retailer_id: str | None = None
    brand_id: str | None = None


_Maker = Callable[[Random, str], _Row]


def _draw_rows(
    seed: str,
    split: str,
    count: int,
    makers: Sequence[tuple[float, _Maker]],
    forbidden: re.Pattern[str] | None,
) -> list[dict[str, Any]]:
    """Draw `count` different rows; rows with private words are drawn again."""
    weights = [weight for weight, _ in makers]
    rows: list[dict[str, Any]] = []
    seen: set[str] = set()
    for attempt in range(200 * count):
        if len(rows) == count:
            return rows
        rng = Random(f"{seed}:{attempt}")
        row = rng.choices(makers, weights)[0][1](rng, split)
        if row.prompt in seen or (forbidden and forbidden.search(f"{row.prompt}\n{row.completion}")):
            continue
        seen.add(row.prompt)
        rows.append({**row.__dict__, "split": split})
    raise TrainingSetError(
        f"only {len(rows)} of {count} different rows could be drawn for {seed}; give more sources"
    )


def _makers(
    kind: str, sources: TrainingSources, retailer_id: str | None, brand_id: str | None
) -> list[tuple[float, _Maker]]:
    """Return what a kind's rows are drawn from, with weights; the last entries are replay of parent levels."""
    industry = [(0.55, _generic("mapping")), (0.25, _generic("definition")), (0.2, _generic("planning"))]
    if kind == "industry":
        return [*industry, (0.1, _generic("measurement"))]
    if kind == "retailer" and retailer_id:
        own = [
            (0.5, _columns(sources, retailer_id)),
            (0.12, _policy_answers(sources, retailer_id)),
            (0.12, _product_copy(sources, retailer_id, None)),
            (0.1, _briefs(sources, sources.brand_ids, retailers=(retailer_id,))),
        ]
        return own + _scaled(industry, 0.16)
    parents = _scaled(industry, 0.12) + [(0.08, _columns(sources, name)) for name in sources.retailer_ids]
    if kind == "manufacturer" and brand_id:
        own = [
            (0.55, _briefs(sources, (brand_id,), nicknames=True)),
            (0.2, _nickname_answers(sources, brand_id)),
            (0.05, _product_copy(sources, None, brand_id)),
        ]
        return own + _scaled(parents, 0.2)
    tasks: dict[str, tuple[float, _Maker]] = {
        "task_planning": (0.85, _briefs(sources, sources.brand_ids)),
        "task_creative": (0.85, _product_copy(sources, None, None)),
        "task_measurement": (0.85, _questions(sources)),
    }
    return [tasks[kind], *_scaled(parents, 0.15)]


def _scaled(makers: Iterable[tuple[float, _Maker]], total: float) -> list[tuple[float, _Maker]]:
    listed = list(makers)
    factor = total / sum(weight for weight, _ in listed)
    return [(weight * factor, maker) for weight, maker in listed]


def _generic(task: str) -> _Maker:
    """Return rows of the invented market, as in pretraining but from this set's own seed."""

    def make(rng: Random, split: str) -> _Row:
        row = generate_row(task, rng, split)
        while split == "evaluation" and row.template_id.startswith(("style:", "ratio:")):
            # These templates exist in both splits; evaluation keeps to held-out ones.
            row = generate_row(task, rng, split)
        return _Row(task, row.prompt, row.completion, row.template_id)

    return make


def _briefs(
    sources: TrainingSources, brand_ids: Sequence[str], retailers: Sequence[str] = (), nicknames: bool = False
) -> _Maker:
    """Return briefs of the given brands; lines are named plainly, or by the brand's own words."""
    pools = {brand: _brief_pool(sources, brand, tuple(retailers), nicknames) for brand in brand_ids}

    def make(rng: Random, split: str) -> _Row:
        brand = rng.choice(sorted(pools))
        brief = generate_brief(rng, split, pools[brand])
        while split == "evaluation" and brief.template_id.startswith("style:"):
            brief = generate_brief(rng, split, pools[brand])
        retailer = retailers[0] if len(retailers) == 1 else None
        return _Row(
            "planning", brief.text, brief.request.canonical_json(), brief.template_id, retailer, brand
        )

    return make


def _brief_pool(
    sources: TrainingSources, brand_id: str, retailers: tuple[str, ...], nicknames: bool
) -> NamePool:
    names: dict[str, tuple[str, ...]] = {}
    for line in sources.brands[brand_id].get("lines", []):
        plain = line["line_id"].replace("_", " ")
        own = tuple(line.get("nicknames", ())) if nicknames else ()
        # The brand's own words come up three times as often as the plain names.
        names[line["line_id"]] = own * 3 + (line["line_id"], plain, plain.title())
    return NamePool(
        brand_ids=(brand_id,),
        retailer_ids=retailers or sources.retailer_ids,
        line_names=names,
        line_share=0.8 if nicknames else 0.3,
    )


NICKNAME_QUESTIONS: tuple[str, ...] = (
    *LINE_QUESTIONS,
    "What do people at {brand} call {name}? Give the line id.",
    "Someone at {brand} says {name}. Which line?",
    "{brand} wants ads for {name}. Line?",
    "Translate {name} of {brand} into a line id.",
    "The brief of {brand} mentions {name}. Which line id is that?",
    "Line id behind {name} at {brand}?",
)


def _nickname_answers(sources: TrainingSources, brand_id: str) -> _Maker:
    known = sorted(sources.nicknames(brand_id).items())
    if not known:
        raise TrainingSetError(
            f"brand {brand_id!r} has no nicknames under `lines`; its adapter has nothing to learn"
        )

    def make(rng: Random, split: str) -> _Row:
        nickname, line = rng.choice(known)
        question = rng.choice(view(NICKNAME_QUESTIONS, split))
        prompt = question.replace("{name}", nickname).replace("{brand}", brand_id)
        return _Row("definition", prompt, line, f"question:{question}", None, brand_id)

    return make


# --- a retailer's own columns and policy -----------------------------------------------------------------------


def _columns(sources: TrainingSources, retailer_id: str) -> _Maker:
    """Return questions about a retailer's own columns.

    Training shows each header as it is sent and in lower case with underscores; evaluation shows other spellings.
    """
    columns = _labelled_columns(sources, retailer_id)
    if not columns:
        raise TrainingSetError(
            f"retailer {retailer_id!r} has an empty mapping; nothing can be learned from it"
        )

    def make(rng: Random, split: str) -> _Row:
        header, name = rng.choice(columns)
        spellings = _spellings(header, split)
        spelling = rng.choice(sorted(spellings))
        kind = name if name != NO_FIELD else rng.choice(("money", "count"))
        values = sample_values(rng, kind, rng.choice((1, 2, 3, 3)))
        example = mapping_example(rng, spellings[spelling], name, values)
        template = f"column:{retailer_id}:{header}:{spelling}"
        return _Row("mapping", example.prompt, example.field, template, retailer_id)

    return make


def _labelled_columns(sources: TrainingSources, retailer_id: str) -> list[tuple[str, str]]:
    """Return a retailer's columns with their fields; other attribution windows of a mapped column fill nothing."""
    mapped = sources.mappings[retailer_id]
    labelled = {header: name for header, name in mapped.items() if name in CANONICAL_FIELDS}
    unmapped = list(sources.unmapped.get(retailer_id, ()))
    for header, name in mapped.items():
        if name in ("conversions", "revenue"):
            unmapped += _other_windows(header)
    for header in unmapped:
        if header not in mapped:
            labelled[header] = NO_FIELD
    return sorted(labelled.items())


def _other_windows(header: str) -> list[str]:
    found = re.search(r"(?<!\d)(1|3|7|14|30)(?= ?_?d)", header)
    if not found:
        return []
    days = (other for other in ("1", "3", "7", "14", "30") if other != found.group())
    return [header[: found.start()] + other + header[found.end() :] for other in days]


def _spellings(header: str, split: str) -> dict[str, str]:
    words = header_words(header)
    if split == "train":
        return {"as sent": header, "underscores": "_".join(words)}
    return {"title words": " ".join(word.title() for word in words), "capitals": "_".join(words).upper()}


POLICY_QUESTIONS: dict[str, tuple[str, ...]] = {
    "max_headline_characters": (
        "How long may a headline be at {retailer}?",
        "Headline limit of {retailer}?",
        "What is the headline limit at {retailer}?",
        "How many characters does {retailer} allow in a headline?",
        "{retailer}: longest headline?",
        "Max headline length at {retailer}?",
        "At {retailer}, a headline has at most how many characters?",
    ),
    "max_body_characters": (
        "How long may body copy be at {retailer}?",
        "Body limit of {retailer}?",
        "What is the body copy limit at {retailer}?",
        "How many characters does {retailer} allow in the body?",
        "{retailer}: longest body text?",
        "Max body length at {retailer}?",
        "At {retailer}, the body has at most how many characters?",
    ),
    "banned_terms": (
        "Which words does {retailer} ban?",
        "Banned terms of {retailer}?",
        "What may an ad at {retailer} not say?",
        "Words that {retailer} forbids?",
        "{retailer}: banned words?",
        "List what {retailer} does not allow in copy.",
        "At {retailer}, which terms are banned?",
    ),
}


def _copy_policy(sources: TrainingSources, retailer_id: str) -> Mapping[str, Any]:
    policy = sources.policies.get(retailer_id, {})
    rules = policy.get("copy", policy)
    missing = [name for name in POLICY_QUESTIONS if name not in rules]
    if missing:
        raise TrainingSetError(
            f"policy of retailer {retailer_id!r} lacks {', '.join(missing)} under `copy`; add it"
        )
    return rules


def _policy_answers(sources: TrainingSources, retailer_id: str) -> _Maker:
    rules = _copy_policy(sources, retailer_id)

    def make(rng: Random, split: str) -> _Row:
        name = rng.choice(sorted(POLICY_QUESTIONS))
        question = rng.choice(view(POLICY_QUESTIONS[name], split))
        answer = ", ".join(rules[name]) if name == "banned_terms" else str(rules[name])
        prompt = question.replace("{retailer}", retailer_id)
        if rng.random() < 0.5:
            prompt = (
                rng.choice(("Please answer: ", "Copy rules. ", "Quick question: ", "Policy check: ")) + prompt
            )
        return _Row("definition", prompt, answer, f"question:{question}", retailer_id)

    return make


def _product_copy(sources: TrainingSources, retailer_id: str | None, brand_id: str | None) -> _Maker:
    """Return copy requests for catalog products under a retailer's limits; evaluation uses other SKUs."""
    skus = sources.skus.sort("sku_id")
    if brand_id:
        skus = skus.filter(pl.col("brand_id") == brand_id)
    products = list(skus.select("sku_id", "title", "size", "brand_id").iter_rows(named=True))
    by_split = {name: [row for row in products if _sku_split(row["sku_id"]) == name] for name in SPLITS}
    if not all(by_split.values()):
        raise TrainingSetError(
            "too few SKUs for separate training and evaluation products; give a larger catalog"
        )

    def make(rng: Random, split: str) -> _Row:
        product = rng.choice(by_split[split])
        retailer = retailer_id or rng.choice(sources.retailer_ids)
        rules = _copy_policy(sources, retailer)
        tone = sources.brands.get(product["brand_id"], {}).get("tone", {}) if brand_id else {}
        points = rng.sample([*POINTS, *tone.get("words", []) * 4], 2)
        banned = [
            *rng.sample(list(rules["banned_terms"]), min(3, len(rules["banned_terms"]))),
            *tone.get("avoid", []),
        ]
        limit = int(rules["max_headline_characters"])
        title = product["title"].split(",")[0]
        example = creative_example(
            rng,
            title=title,
            size=product["size"] or "one size",
            points=list(dict.fromkeys(points)),
            limit=limit,
            banned=banned or list(BANNED[:2]),
            split=split,
            name=_short_title(title, limit),
        )
        return _Row(
            "creative", example.prompt, example.completion, example.template_id, retailer, product["brand_id"]
        )

    return make


def _sku_split(sku_id: str) -> str:
    return "evaluation" if bucket(f"sku:{sku_id}", 6) == 0 else "train"


def _short_title(title: str, limit: int) -> str:
    """Return a title that fits: whole words are dropped from the front, which is the brand's name."""
    words = title.split()
    while len(words) > 1 and len(" ".join(words)) > limit:
        words = words[1:]
    return " ".join(words)


def _questions(sources: TrainingSources) -> _Maker:
    def make(rng: Random, split: str) -> _Row:
        retailers = sources.retailer_ids or tuple(sample_retailers(rng))
        example = generate_measurement(rng, split, retailers, sources.brand_ids)
        return _Row("measurement", example.prompt, example.completion, example.template_id)

    return make
