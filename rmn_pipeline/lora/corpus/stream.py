"""The pretraining mix: one endless stream of rows, each a function of (seed, position)."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from rmn_pipeline.lora.corpus.creative import generate_creative
from rmn_pipeline.lora.corpus.drills import generate_drill
from rmn_pipeline.lora.corpus.knowledge import generate_definition, generate_prose
from rmn_pipeline.lora.corpus.mapping import generate_mapping
from rmn_pipeline.lora.corpus.measurement import generate_measurement
from rmn_pipeline.lora.corpus.planning import generate_brief
from rmn_pipeline.lora.prompts import render_completion, render_prompt, render_prose

# Shares of rows, chosen so that tokens come out near planning 55 %, mapping 20 %, measurement 8 %, creative 8 %,
# definitions and prose 9 % (a planning row is about three times as long as the others).
ROW_SHARES: tuple[tuple[str, float], ...] = (
    ("planning", 0.34),
    ("mapping", 0.35),
    ("measurement", 0.10),
    ("creative", 0.09),
    ("definition", 0.08),
    ("prose", 0.04),
    ("drill", 0.05),
)

# Copying is learned at once or hardly at all: a few hundred steps of nothing else bring it, a mixture does not.
DRILL_SHARES: tuple[tuple[str, float], ...] = (("drill", 1.0),)


@dataclass(frozen=True)
class CorpusRow:
    """One text of the corpus; prose and drills have no prompt."""

    task: str
    prompt: str
    completion: str
    template_id: str

    @property
    def text(self) -> str:
        """The row as the model reads it, markers included."""
        if self.task in ("prose", "drill"):
            return render_prose(self.completion)
        return render_prompt(self.task, self.prompt) + render_completion(self.completion)


def generate_row(task: str, rng: Random, split: str = "train") -> CorpusRow:
    """Draw one row of a task (or of `prose` or `drill`)."""
    if task not in _GENERATORS:
        raise ValueError(f"unknown task {task!r}: use one of {', '.join(_GENERATORS)}")
    return _GENERATORS[task](rng, split)


def row_at(
    seed: int, position: int, split: str = "train", shares: tuple[tuple[str, float], ...] = ROW_SHARES
) -> CorpusRow:
    """Return the row at `position` of the stream of `seed`."""
    rng = Random(f"{seed}:{split}:{position}")
    point = rng.random() * sum(share for _, share in shares)
    for task, share in shares:
        point -= share
        if point <= 0:
            return generate_row(task, rng, split)
    return generate_row(shares[-1][0], rng, split)


def _planning(rng: Random, split: str) -> CorpusRow:
    brief = generate_brief(rng, split)
    return CorpusRow("planning", brief.text, brief.request.canonical_json(), brief.template_id)


def _mapping(rng: Random, split: str) -> CorpusRow:
    example = generate_mapping(rng, split)
    return CorpusRow("mapping", example.prompt, example.field, f"header:{example.header}")


def _measurement(rng: Random, split: str) -> CorpusRow:
    example = generate_measurement(rng, split)
    return CorpusRow("measurement", example.prompt, example.completion, example.template_id)


def _creative(rng: Random, split: str) -> CorpusRow:
    example = generate_creative(rng, split)
    return CorpusRow("creative", example.prompt, example.completion, example.template_id)


def _definition(rng: Random, split: str) -> CorpusRow:
    return CorpusRow("definition", *generate_definition(rng, split))


def _prose(rng: Random, split: str) -> CorpusRow:
    return CorpusRow("prose", "", generate_prose(rng), "prose")


def _drill(rng: Random, split: str) -> CorpusRow:
    return CorpusRow("drill", "", generate_drill(rng), "drill")


_GENERATORS: dict[str, Callable[[Random, str], CorpusRow]] = {
    "planning": _planning,
    "mapping": _mapping,
    "measurement": _measurement,
    "creative": _creative,
    "definition": _definition,
    "prose": _prose,
    "drill": _drill,
}
