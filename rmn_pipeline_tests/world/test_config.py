from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from pydantic import ValidationError

from rmn_pipeline.world import WorldConfig, WorldError, build_world, tiny_config


def test_the_committed_config_is_the_default_market() -> None:
    config = WorldConfig.from_yaml(Path(__file__).parents[2] / "data" / "world.yaml")
    assert config == WorldConfig()


def test_rows_decide_the_number_of_arms() -> None:
    config = tiny_config(rows=2000)
    cells = build_world(config).history.cells
    assert config.arm_count == 115
    assert 1500 < len(cells) < 2500


def test_a_market_can_have_any_retailers_in_any_of_the_four_formats(tmp_path: Path) -> None:
    path = tmp_path / "world.yaml"
    path.write_text(
        "days: 14\nskus: 4\narms: 8\nretailers:\n"
        "  - {retailer_id: north, network: instacart_ads, sales_weight: 1, cost_per_click_usd: 2}\n"
    )
    world = build_world(WorldConfig.from_yaml(path))
    assert world.history.cells["retailer_id"].unique().to_list() == ["north"]
    assert world.plan_start_date == date(2026, 1, 19)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("dayz: 3", "dayz"),
        ("days: three", "days"),
        ("start_date: 2026-01-06", "Monday"),
        ("skus: 1", "1 skus are too few for 2 brands"),
        ("arms: 3", "at least 8 arms"),
        ("arms: 90000", "only 8000 combinations"),
        ("- 1", "expected a mapping"),
        ("a: [", "cannot be read as YAML"),
        ("brands: [nowhere/brand.yaml]", "no such file"),
    ],
)
def test_a_bad_config_is_refused_with_file_and_cause(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "world.yaml"
    path.write_text(text)
    with pytest.raises(WorldError, match="yaml") as caught:
        WorldConfig.from_yaml(path)
    assert says in str(caught.value)


def test_a_missing_config_is_named(tmp_path: Path) -> None:
    with pytest.raises(WorldError, match=r"absent\.yaml: no such file"):
        WorldConfig.from_yaml(tmp_path / "absent.yaml")


def test_unknown_network_is_refused() -> None:
    retailer = {"retailer_id": "a", "network": "myspace", "sales_weight": 1, "cost_per_click_usd": 1}
    with pytest.raises(ValidationError, match="amazon_ads"):
        WorldConfig.model_validate({"retailers": [retailer]})
