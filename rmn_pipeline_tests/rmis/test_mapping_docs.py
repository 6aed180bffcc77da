"""docs/mapping.md shows mappings that load, and names everything that the language has."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from rmn_pipeline.rmis import Mapping, parse_mapping
from rmn_pipeline.rmis.expressions import FUNCTION_NAMES
from rmn_pipeline.rmis.mapping_columns import DIVISORS, ColumnRule, ColumnType
from rmn_pipeline.rmis.mapping_rules import Rule

PAGE = (Path(__file__).parents[2] / "docs" / "mapping.md").read_text(encoding="utf-8")
EXAMPLE, *FRAGMENTS = (yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))


def within_the_example(fragment: dict[str, Any]) -> dict[str, Any]:
    """The example with the fragment's keys; columns, inputs and constants are replaced one by one."""
    content = copy.deepcopy(EXAMPLE)
    content["inputs"] = {"vat_rate": {"from": "VAT", "type": "percent"}}
    for column in content["columns"].values() if "numbers" in fragment else ():
        column.pop("thousands_mark", None)
    for key, value in fragment.items():
        one_by_one = key in ("columns", "inputs", "constants", "source")
        content[key] = {**content[key], **value} if one_by_one else value
    return content


def test_the_example_loads() -> None:
    assert parse_mapping(yaml.safe_dump(EXAMPLE, sort_keys=False)).retailer_id == "acme"


@pytest.mark.parametrize("fragment", FRAGMENTS, ids=lambda fragment: "+".join(fragment))
def test_each_fragment_loads_within_the_example(fragment: dict[str, Any]) -> None:
    text = yaml.safe_dump(within_the_example(fragment), sort_keys=False)
    assert parse_mapping(text).version == 1


def test_the_page_names_every_type_function_check_and_key() -> None:
    checks = {get_args(rule.model_fields["check"].annotation)[0] for rule in get_args(get_args(Rule)[0])}
    keys = {field.alias or name for name, field in ColumnRule.model_fields.items()}
    words = {*get_args(ColumnType), *DIVISORS, *FUNCTION_NAMES, *checks, *keys, *Mapping.model_fields}
    assert sorted(word for word in words if re.search(rf"\b{word}\b", PAGE) is None) == []
