"""Language models of the pipeline: the base model, its corpus, training sets, adapters and their composition.

Nothing heavy is imported here: `rmn_pipeline.lora.train`, `.stack` and `.quantize` (torch, peft, trl) are
imported by the step that needs them.
"""

from rmn_pipeline.lora.prompts import (
    CANONICAL_FIELDS,
    END_TOKEN,
    MEASUREMENT_TOOL,
    NO_FIELD,
    PLAN_REQUEST_TOOL,
    TASKS,
    candidate_fields,
    mapping_prompt,
    render_completion,
    render_prompt,
)

__all__ = [
    "CANONICAL_FIELDS",
    "END_TOKEN",
    "MEASUREMENT_TOOL",
    "NO_FIELD",
    "PLAN_REQUEST_TOOL",
    "TASKS",
    "candidate_fields",
    "mapping_prompt",
    "render_completion",
    "render_prompt",
]
