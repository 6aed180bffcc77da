"""The tokenizer: byte-level BPE with the domain's closed vocabulary as single tokens.

A space stands with the next word only for a fixed list of common words; everywhere else it is a token of its own.
So a name has the same tokens after a space, after a quotation mark and in JSON, and copying it is copying tokens.
Digits are split one by one.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from rmn_pipeline.lora.prompts import (
    ANSWER_TOKEN,
    BEGIN_TOKEN,
    CANONICAL_FIELDS,
    END_TOKEN,
    MEASUREMENT_DESIGNS,
    MEASUREMENT_KEYS,
    MEASUREMENT_METRICS,
    MEASUREMENT_TOOL,
    PAD_TOKEN,
    PLAN_REQUEST_TOOL,
    ROLE_TOKENS,
)
from rmn_pipeline.planning.request import PlanRequest

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

VOCABULARY_SIZE = 1408
CONTEXT_TOKENS = 512

# Frequent words that are never part of a name, so that nobody has to copy them.
_SPACED_WORDS = (
    "the a an and or of for to in on at with is are be we no not only up it its over per than that this as by "
    "all any our have has can must should what please keep use plan out more most least from what which one do "
    "you out so get us want would like also every each may might but if two three four five six seven eight nine "
    "ten twenty thirty forty fifty hundred thousand million dollars percent cent weeks week wks wk year quarter "
    "half ROAS CPA USD iROAS incremental spend revenue ads ad budget margin plan date cost sales conversions "
    "return retailer retailers experiments products product network networks stock test tests effect money full "
    "lift run price attributed profit matters below pages orders order available year without across best else "
    "hold last placement placements nothing means testing experiment time other lines line leave need day first "
    "cannot share The We And Important Please total possible shoppers regions minimum new brand about below next "
    "customers random clicks impressions search category"
)


def _pattern() -> str:
    """Return what is split into one piece: a common word with its space, punctuation with the space after it."""
    words = "|".join(sorted(dict.fromkeys(_SPACED_WORDS.split()), key=len, reverse=True))
    return rf" (?:{words})(?![\p{{L}}\p{{N}}_])|\p{{N}}|[.,;:] (?! )| |\p{{L}}+|[^\s\p{{L}}\p{{N}}]|\s"


def closed_vocabulary() -> list[str]:
    """Return the texts that are one token each: JSON keys with their punctuation, enum values, tool names."""
    keys = [f'"{name}":' for name in (*PlanRequest.model_fields, *MEASUREMENT_KEYS)]
    identifiers = [name for name in CANONICAL_FIELDS if "_" in name]
    enums = ["incremental_margin", "incremental_revenue", "product_detail", "new_to_brand"]
    enums += [name for name in MEASUREMENT_METRICS if "_" in name]
    # No `","` and no `{"`: they would swallow the quotation mark that opens the next key.
    punctuation = [
        '",',
        '["',
        '"]',
        '"],',
        "null",
        "null,",
        "[],",
        "true",
        "false",
        '"}',
        "header: ",
        "\nvalues: ",
        "\nfields: ",
    ]
    ordered = [
        PLAN_REQUEST_TOOL,
        MEASUREMENT_TOOL,
        *keys,
        *[f"{{{key}" for key in keys[:1]],
        *identifiers,
        *enums,
        *punctuation,
    ]
    designs = [f'"{name}",' for name in MEASUREMENT_DESIGNS]
    return list(dict.fromkeys([*ordered, '{"design":', *designs]))


def train_tokenizer(texts: Iterable[str], vocabulary_size: int = VOCABULARY_SIZE) -> PreTrainedTokenizerFast:
    """Train the tokenizer on `texts`; deterministic for the same texts in the same order."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    closed = closed_vocabulary()
    tokenizer = Tokenizer(models.BPE(byte_fallback=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_pattern()), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(ROLE_TOKENS))
    tokenizer.add_tokens([AddedToken(text, normalized=False) for text in closed])
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size - len(closed),
        special_tokens=list(ROLE_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_tokens([AddedToken(text, normalized=False) for text in closed])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BEGIN_TOKEN,
        eos_token=END_TOKEN,
        pad_token=PAD_TOKEN,
        additional_special_tokens=[
            token for token in ROLE_TOKENS if token not in (BEGIN_TOKEN, END_TOKEN, PAD_TOKEN)
        ],
        model_max_length=CONTEXT_TOKENS,
        clean_up_tokenization_spaces=False,
        chat_template=_CHAT_TEMPLATE,
    )


# One user turn, one answer; the task is named by the first message's optional `task`.
_CHAT_TEMPLATE = (
    BEGIN_TOKEN
    + "{% for message in messages %}{% if message['role'] == 'user' %}"
    + "{{ '<|' + message.get('task', 'planning') + '|>' + message['content'] }}"
    + "{% elif message['role'] == 'assistant' %}"
    + ANSWER_TOKEN
    + "{% generation %}{{ message['content'] + '"
    + END_TOKEN
    + "' }}{% endgeneration %}{% endif %}{% endfor %}{% if add_generation_prompt %}"
    + ANSWER_TOKEN
    + "{% endif %}"
)


def load_tokenizer(base_dir: Path | str) -> PreTrainedTokenizerFast:
    """Load the tokenizer that lies beside a base model's weights."""
    from transformers import PreTrainedTokenizerFast

    folder = Path(base_dir)
    if not (folder / "tokenizer.json").is_file():
        raise FileNotFoundError(
            f"{folder} holds no tokenizer.json; run `python -m rmn_pipeline.lora.pretrain`"
        )
    return PreTrainedTokenizerFast.from_pretrained(str(folder))
