"""Seeded generators of everything that the base model is pretrained on.

One module per kind of text; `stream.py` mixes them. A row depends on (seed, position) alone.
"""

from rmn_pipeline.lora.corpus.planning import Brief, NamePool, generate_brief
from rmn_pipeline.lora.corpus.stream import CorpusRow, generate_row, row_at

__all__ = ["Brief", "CorpusRow", "NamePool", "generate_brief", "generate_row", "row_at"]
