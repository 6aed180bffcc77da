import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmn_pipeline.lora.corpus import row_at
from rmn_pipeline.lora.prompts import END_TOKEN, MEASUREMENT_TOOL, PLAN_REQUEST_TOOL, ROLE_TOKENS
from rmn_pipeline.lora.tokenizer import closed_vocabulary, load_tokenizer, train_tokenizer
from rmn_pipeline.planning.request import PlanRequest


def pieces(tokenizer, text):
    return [tokenizer.decode([token]) for token in tokenizer(text)["input_ids"]]


@settings(max_examples=150, deadline=None)
@given(text=st.text(max_size=60))
def test_any_text_round_trips(tokenizer, text):
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_keys_enum_values_tools_and_markers_are_single_tokens(tokenizer):
    keys = [f'"{name}":' for name in PlanRequest.model_fields]
    enums = [
        "incremental_margin",
        "incremental_revenue",
        "product_detail",
        PLAN_REQUEST_TOOL,
        MEASUREMENT_TOOL,
    ]
    for text in [*keys, *enums, *ROLE_TOKENS, *closed_vocabulary()]:
        assert len(tokenizer(text)["input_ids"]) == 1, text


def test_every_key_of_a_call_is_one_token_in_place(tokenizer):
    row = next(row for row in (row_at(9, i) for i in range(100)) if row.task == "planning")
    tokens = pieces(tokenizer, row.completion)
    assert tokens[0] == '{"brand_id":'
    assert [token for token in tokens if token.endswith('":')] == [
        '{"brand_id":' if name == "brand_id" else f'"{name}":' for name in PlanRequest.model_fields
    ]


def test_digits_are_split_one_by_one(tokenizer):
    assert pieces(tokenizer, "2500") == ["2", "5", "0", "0"]


def test_a_name_has_the_same_tokens_after_a_space_and_in_json(tokenizer):
    name = tokenizer("northmarto_k7")["input_ids"]
    for around in (" northmarto_k7", '"northmarto_k7"', ", northmarto_k7"):
        found = tokenizer(around)["input_ids"]
        assert any(found[start : start + len(name)] == name for start in range(len(found)))


def test_training_is_deterministic_and_saving_keeps_it(tokenizer, tmp_path):
    again = train_tokenizer([row_at(5, position).text for position in range(1500)])
    assert again.get_vocab() == tokenizer.get_vocab()
    tokenizer.save_pretrained(tmp_path)
    loaded = load_tokenizer(tmp_path)
    text = row_at(8, 1).text
    assert loaded(text)["input_ids"] == tokenizer(text)["input_ids"]
    assert loaded.eos_token == END_TOKEN


def test_a_folder_without_a_tokenizer_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no tokenizer"):
        load_tokenizer(tmp_path)


def test_the_chat_template_renders_the_same_prompt(tokenizer):
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": "hello", "task": "planning"}], tokenize=False, add_generation_prompt=True
    )
    assert text == "<|begin|><|planning|>hello<|answer|>"
