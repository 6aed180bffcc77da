import polars as pl
import pytest

from rmn_pipeline.lora.corpus import row_at
from rmn_pipeline.lora.datasets import TrainingSources
from rmn_pipeline.lora.tokenizer import train_tokenizer


@pytest.fixture(scope="session")
def tokenizer():
    return train_tokenizer([row_at(5, position).text for position in range(1500)])


@pytest.fixture(scope="session")
def sources():
    copy = {"max_headline_characters": 40, "max_body_characters": 80, "banned_terms": ["best", "free"]}
    brands = {
        "brand_p": {
            "lines": [
                {"line_id": "tea", "nicknames": ["the kettle range", "cosy cups"]},
                {"line_id": "jam", "nicknames": ["the toast line"]},
            ],
            "tone": {"words": ["calm"], "avoid": ["loud"]},
        },
        "brand_q": {"lines": [{"line_id": "soap", "nicknames": ["foamy squares"]}]},
    }
    skus = [
        {
            "sku_id": f"{number:014d}",
            "title": f"Hill Farm {line.title()} {number}, 6 ct",
            "size": "6 ct",
            "brand_id": brand,
            "category": "pantry",
            "line_id": line,
        }
        for number, (brand, line) in enumerate(
            [("brand_p", "tea"), ("brand_p", "jam"), ("brand_q", "soap")] * 8
        )
    ]
    return TrainingSources(
        mappings={
            "alpha": {
                "day": "date",
                "shownAds": "impressions",
                "sales14d": "revenue",
                "orders14d": "conversions",
            },
            "beta": {"event.day": "date", "spendAmount": "cost", "itemNo": "sku_id"},
        },
        skus=pl.DataFrame(skus),
        policies={"alpha": {"copy": copy}, "beta": {"copy": {**copy, "max_headline_characters": 25}}},
        brands=brands,
    )
