"""Loading a base model: 4-bit NF4 with double quantization, or unquantized; dtype, device, digests of its files.

Any causal language model folder works; nothing here knows about the shipped base. torch and transformers are
imported inside the functions, so that importing this module costs nothing.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rmn_pipeline.lora.manifest import AdapterError, file_digest
from rmn_pipeline.lora.prompts import END_TOKEN, PAD_TOKEN

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# `nf4_dequantized` holds the very weights that NF4 training saw, unpacked once: the same function as `nf4`, at
# about twice the decoding speed on a CPU and eight times the memory of the packed weights.
Quantization = Literal["nf4", "nf4_dequantized", "none"]
QUANTIZATIONS: tuple[Quantization, ...] = ("nf4", "nf4_dequantized", "none")

_WEIGHT_PATTERNS = ("config.json", "*.safetensors", "*.safetensors.index.json")
_TOKENIZER_PATTERNS = (
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "vocab.json",
    "merges.txt",
)


@dataclass(frozen=True)
class LoadedBase:
    """A base model with its tokenizer, and how it was loaded."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    quantization: Quantization
    dtype: str
    device: str


def prepare_environment() -> None:
    """Keep the model libraries from reaching for a hub or sending usage pings, unless the user chose otherwise.

    Read once by those libraries at their first import, so every function that imports them calls this first.
    """
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


def load_base(
    base_dir: Path | str,
    quantization: Quantization = "nf4",
    *,
    dtype: str = "auto",
    device: str = "cpu",
) -> LoadedBase:
    """Load a causal language model and its tokenizer from a folder.

    Args:
        base_dir: folder with `config.json`, safetensors weights and a tokenizer.
        quantization: `nf4` (4-bit, double quantization), `nf4_dequantized` or `none`.
        dtype: `float32`, `bfloat16`, or `auto`: bfloat16 where the device computes it natively.
        device: `cpu` or a CUDA device such as `cuda:0`.

    Raises:
        AdapterError: the folder holds no loadable model, or an option is unknown.
    """
    folder = _existing_base(base_dir)
    if quantization not in QUANTIZATIONS:
        raise AdapterError(f"unknown quantization {quantization!r}: use one of {', '.join(QUANTIZATIONS)}")
    prepare_environment()
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    dtype_name = resolve_dtype(dtype, device)
    compute = getattr(torch, dtype_name)
    options: dict[str, object] = {"dtype": compute, "local_files_only": True}
    if device == "cpu":
        # At the lengths of our prompts torch's fused CPU attention is the slower one (measured: 1.2x per step).
        options["attn_implementation"] = "eager"
    if quantization != "none":
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=compute,
        )
        options["device_map"] = {"": device}
    try:
        model: Any = AutoModelForCausalLM.from_pretrained(folder, **options)
    except (OSError, ValueError, KeyError) as error:
        raise AdapterError(f"{folder.name}: the base model cannot be loaded: {error}") from error
    if quantization == "none":
        model = model.to(device)
    else:
        disable_packed_kernel(model)
    if quantization == "nf4_dequantized":
        model = model.dequantize()
    return LoadedBase(model, load_tokenizer(folder), quantization, dtype_name, device)


def load_tokenizer(base_dir: Path | str) -> PreTrainedTokenizerBase:
    """Load the tokenizer of a base folder, with a padding token (the end token stands in where there is none)."""
    folder = _existing_base(base_dir)
    prepare_environment()
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise AdapterError(f"{folder.name}: the tokenizer cannot be loaded: {error}") from error
    if tokenizer.pad_token_id is None:
        vocabulary = tokenizer.get_vocab()
        tokenizer.pad_token = PAD_TOKEN if PAD_TOKEN in vocabulary else tokenizer.eos_token
    if tokenizer.pad_token_id is None:
        raise AdapterError(f"{folder.name}: its tokenizer has neither a padding nor an end token; set one")
    return tokenizer


def end_text(tokenizer: PreTrainedTokenizerBase) -> str:
    """Return what closes a completion: our end marker where the tokenizer knows it, else its own end token."""
    if END_TOKEN in tokenizer.get_vocab() or not tokenizer.eos_token:
        return END_TOKEN
    return str(tokenizer.eos_token)


def disable_packed_kernel(model: torch.nn.Module) -> None:
    """Turn off bitsandbytes' fused CPU kernel on every 4-bit layer.

    On hosts with AVX512-BF16 the first forward pass in eval mode repacks the 4-bit weights in place for a fused
    kernel. That path has no gradient formula for the packed layout, so training after any evaluation would go on
    with silently wrong gradients (measured: cosine .46 to the right ones). It also refuses widths that are not
    multiples of 64. Without it every pass dequantizes and multiplies, which is right in both modes.
    """
    from bitsandbytes.nn import Linear4bit

    for module in model.modules():
        if isinstance(module, Linear4bit):
            module.support_avx512bf16_for_cpu = False


def require_trainable_layout(model: torch.nn.Module) -> None:
    """Refuse a model whose 4-bit weights were repacked for inference: its gradients would be silently wrong.

    Raises:
        AdapterError: some layer is packed, or would be packed by the next evaluation pass.
    """
    from bitsandbytes.nn import Linear4bit

    for name, module in model.named_modules():
        if not isinstance(module, Linear4bit):
            continue
        weight: Any = module.weight
        packed = getattr(weight.quant_state, "packing_format_for_cpu", False)
        on_cpu = weight.device.type == "cpu"
        if packed or (on_cpu and module.support_avx512bf16_for_cpu):
            raise AdapterError(
                f"layer {name} is, or would be, packed for inference, which breaks gradients; "
                "load the base anew with load_base and train on that copy"
            )


def resolve_dtype(dtype: str, device: str) -> str:
    """Return `float32` or `bfloat16`; `auto` takes bfloat16 only where the device computes it natively."""
    if dtype in ("float32", "bfloat16"):
        return dtype
    if dtype != "auto":
        raise AdapterError(f"unknown dtype {dtype!r}: use auto, float32 or bfloat16")
    import torch

    if device.startswith("cuda"):
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    return "bfloat16" if torch.cpu.get_capabilities().get("avx512_bf16", False) else "float32"


@contextmanager
def limited_threads(threads: int) -> Iterator[None]:
    """Run a block with `threads` torch threads, then restore: oversubscription on small layers costs 5 to 10x."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def base_digest(base_dir: Path | str) -> str:
    """Return the sha256 of a base model's configuration and weights."""
    return _files_digest(_existing_base(base_dir), _WEIGHT_PATTERNS)


def tokenizer_digest(base_dir: Path | str) -> str:
    """Return the sha256 of a base model's tokenizer files."""
    return _files_digest(_existing_base(base_dir), _TOKENIZER_PATTERNS)


def _files_digest(folder: Path, patterns: tuple[str, ...]) -> str:
    paths = sorted({path for pattern in patterns for path in folder.glob(pattern) if path.is_file()})
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.name}\0{file_digest(path)}\n".encode())
    return digest.hexdigest()


def _existing_base(base_dir: Path | str) -> Path:
    folder = Path(base_dir)
    if not (folder / "config.json").is_file():
        raise AdapterError(
            f"no base model in {folder}: expected a folder with config.json, safetensors weights and a tokenizer; "
            "`make pretrain` builds the shipped one"
        )
    return folder
