import subprocess
import sys

import pytest

from rmn_pipeline.lora.prompts import END_TOKEN, mapping_prompt, render_completion, render_prompt


def test_a_prompt_is_framed_by_its_task_and_the_answer_marker():
    assert render_prompt("planning", "x") == "<|begin|><|planning|>x<|answer|>"
    assert render_completion("{}") == "{}" + END_TOKEN


def test_an_unknown_task_is_refused():
    with pytest.raises(ValueError, match="mapping, planning"):
        render_prompt("poetry", "x")


def test_a_mapping_prompt_lists_none_last_and_cuts_long_values():
    prompt = mapping_prompt("Spend", ["1.0", "x" * 90, "3", "4"], ["none", "cost", "revenue"])
    assert prompt.endswith("fields: cost, revenue, none")
    assert "x" * 25 not in prompt
    assert "| 4" not in prompt


def test_the_room_imports_no_torch():
    modules = "rmn_pipeline.lora, rmn_pipeline.lora.datasets, rmn_pipeline.lora.pretrain"
    code = f"import sys, {modules}; print('torch' in sys.modules, 'transformers' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
