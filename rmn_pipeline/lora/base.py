"""The shipped base model: its shape, where it lies, its manifest, and how it is built, written and read."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rmn_pipeline.lora.tokenizer import CONTEXT_TOKENS

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

BASE_NAME = "rmn-base-5m"
MANIFEST_NAME = "base_manifest.json"
CARD_NAME = "MODEL_CARD.md"


class BaseModelError(ValueError):
    """A base model folder that cannot be used: what is wrong, where, and how to mend it."""


@dataclass(frozen=True)
class BaseShape:
    """Widths of the Llama architecture; all are multiples of 64, which 4-bit kernels on CPU insist on."""

    hidden: int = 256
    layers: int = 6
    intermediate: int = 704
    heads: int = 4
    context: int = CONTEXT_TOKENS

    def __post_init__(self) -> None:
        for name, width in (("hidden", self.hidden), ("intermediate", self.intermediate)):
            if width % 64:
                raise BaseModelError(f"{name} is {width}; make it a multiple of 64")
        if self.hidden % self.heads:
            raise BaseModelError(f"hidden {self.hidden} is not divisible by {self.heads} heads")


def padded_vocabulary(size: int) -> int:
    """Return the number of embedding rows for a tokenizer of `size` tokens: the next multiple of 64."""
    return (size + 63) // 64 * 64


def build_model(shape: BaseShape, tokenizer: PreTrainedTokenizerFast, seed: int) -> LlamaForCausalLM:
    """Return a freshly initialised model of this shape, the same for the same seed."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=padded_vocabulary(len(tokenizer)),
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        head_dim=shape.hidden // shape.heads,
        max_position_embeddings=shape.context,
        tie_word_embeddings=False,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        initializer_range=shape.hidden**-0.5,
    )
    model = LlamaForCausalLM(config)
    # The usual 0.02 is made for wide models. At this width it drowns a token's identity in the layers' outputs, and
    # copying, which every call lives on, is learned several times later.
    torch.nn.init.normal_(model.model.embed_tokens.weight, std=1.0)
    return model


def default_base_dir(project_dir: Path) -> Path:
    """Return where the shipped base model lies inside the project."""
    return project_dir / "adapters" / "base" / BASE_NAME


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def write_base(
    base_dir: Path,
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    facts: dict[str, Any],
    card: str,
) -> dict[str, Any]:
    """Write weights (bf16), tokenizer, manifest and card into `base_dir`; the old folder is replaced at the end.

    Returns the manifest: `facts` with the digests of what was written.
    """
    import copy

    import torch

    base_dir.parent.mkdir(parents=True, exist_ok=True)
    new_dir = Path(tempfile.mkdtemp(prefix=f".{base_dir.name}-", dir=base_dir.parent))
    try:
        half: Any = copy.deepcopy(model)
        half.to(torch.bfloat16)
        half.save_pretrained(new_dir)
        tokenizer.save_pretrained(new_dir)
        manifest = {
            "name": base_dir.name,
            "parameters": sum(parameter.numel() for parameter in model.parameters()),
            "weights_sha256": file_sha256(new_dir / "model.safetensors"),
            "tokenizer_sha256": file_sha256(new_dir / "tokenizer.json"),
            **facts,
        }
        (new_dir / MANIFEST_NAME).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
        (new_dir / CARD_NAME).write_text(card, encoding="utf-8")
        _replace_folder(new_dir, base_dir)
    except BaseException:
        shutil.rmtree(new_dir, ignore_errors=True)
        raise
    return manifest


def _replace_folder(new_dir: Path, target: Path) -> None:
    # Temporary folders and safetensors files are private to the user; a shipped model is not.
    new_dir.chmod(0o755)
    for path in new_dir.iterdir():
        path.chmod(0o644)
    if target.exists():
        old = new_dir.with_name(f"{new_dir.name}-old")
        target.replace(old)
        new_dir.replace(target)
        shutil.rmtree(old)
    else:
        new_dir.replace(target)


def read_manifest(base_dir: Path | str) -> dict[str, Any]:
    """Return a base model's manifest."""
    path = Path(base_dir) / MANIFEST_NAME
    if not path.is_file():
        raise BaseModelError(f"{path} does not exist; run `python -m rmn_pipeline.lora.pretrain`")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise BaseModelError(f"{path} is not JSON ({error}); export the base model again") from error
    if not isinstance(manifest, dict):
        raise BaseModelError(f"{path} must hold a JSON object")
    return manifest


def verify_base(base_dir: Path | str) -> dict[str, Any]:
    """Check weights and tokenizer against the manifest's digests and return the manifest."""
    folder, manifest = Path(base_dir), read_manifest(base_dir)
    for key, name in (("weights_sha256", "model.safetensors"), ("tokenizer_sha256", "tokenizer.json")):
        path = folder / name
        if not path.is_file():
            raise BaseModelError(f"{path} is missing; fetch or export the base model again")
        if file_sha256(path) != manifest.get(key):
            raise BaseModelError(f"{path} differs from {key} in {MANIFEST_NAME}; export the base model again")
    return manifest


def load_base_model(base_dir: Path | str, dtype: str = "float32") -> LlamaForCausalLM:
    """Load the base model's weights in `dtype` (`float32` or `bfloat16`), in evaluation mode."""
    import torch
    from transformers import LlamaForCausalLM

    folder = Path(base_dir)
    if not (folder / "model.safetensors").is_file():
        raise BaseModelError(
            f"{folder} holds no model.safetensors; run `python -m rmn_pipeline.lora.pretrain`"
        )
    model = LlamaForCausalLM.from_pretrained(str(folder), dtype=getattr(torch, dtype))
    model.eval()
    return model


def shape_facts(shape: BaseShape) -> dict[str, int]:
    """Return a shape as plain data for manifests."""
    return asdict(shape)
