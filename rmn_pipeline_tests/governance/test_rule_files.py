"""Rule files: what a wrong one says, and what the shipped ones hold to."""

from pathlib import Path

import pytest
import yaml

from rmn_pipeline.governance.ad_copy import AdCopy, check_copy, copy_policy, copy_policy_for, network_names
from rmn_pipeline.governance.ad_copy.rules import CallToActionRule, DisclaimerRule
from rmn_pipeline.governance.errors import CopyPolicyError
from rmn_pipeline_tests.conftest import ROOT

RULE = {
    "kind": "terms",
    "code": "BANNED_TERM",
    "terms": ["x"],
    "message": "no x",
    "source": "the network's help",
    "as_of": "2026-11-15",
}


def written(folder: Path, **changes: object) -> Path:
    content = {"version": 1, "name": "New Network", "placements": ["display"], "rules": [RULE], **changes}
    (folder / "new_network.yaml").write_text(yaml.safe_dump(content))
    return folder


def test_a_new_network_is_a_new_file(tmp_path: Path) -> None:
    policy = copy_policy("new_network", written(tmp_path))
    assert [v.code for v in check_copy(AdCopy(placement="display", headline="an x"), policy)] == [
        "BANNED_TERM"
    ]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"rules": [{**RULE, "kind": "poem"}]}, "rules.0"),
        ({"rules": [{**RULE, "code": "UGLY"}]}, "rules.0.terms.code"),
        ({"rules": [{key: value for key, value in RULE.items() if key != "source"}]}, "rules.0.terms.source"),
        ({"rules": [{key: value for key, value in RULE.items() if key != "as_of"}]}, "has no as_of"),
        ({"rules": [{**RULE, "colour": "red"}]}, "rules.0.terms.colour"),
        ({"rules": [{**RULE, "placements": ["radio"]}]}, "rules.0.placements: unknown radio"),
        (
            {"rules": [{**RULE, "kind": "patterns", "patterns": ["("], "terms": None}]},
            "is no regular expression",
        ),
        ({"rules": []}, "rules"),
        ({"placements": []}, "placements"),
        ({"include": ["_nothing"]}, "_nothing.yaml: cannot be read"),
    ],
)
def test_a_mistake_names_the_file_and_the_key(tmp_path: Path, changes: dict[str, object], named: str) -> None:
    with pytest.raises(CopyPolicyError) as raised:
        copy_policy("new_network", written(tmp_path, **changes))
    assert "_n" in str(raised.value) and named in str(raised.value)


def test_a_file_that_is_no_yaml_is_named(tmp_path: Path) -> None:
    (tmp_path / "new_network.yaml").write_text("rules: [")
    with pytest.raises(CopyPolicyError, match=r"new_network.yaml: is no YAML"):
        copy_policy("new_network", tmp_path)


@pytest.mark.parametrize("network", network_names())
def test_every_shipped_rule_names_its_source_and_day(network: str) -> None:
    assert all(rule.source and rule.as_of for rule in copy_policy(network).rules)


@pytest.mark.parametrize("network", network_names())
def test_what_a_policy_suggests_keeps_to_it(network: str) -> None:
    policy = copy_policy(network)
    for rule in policy.rules:
        if isinstance(rule, CallToActionRule):
            for words in rule.allowed:
                assert (
                    check_copy(AdCopy(placement="video", headline="Oats", call_to_action=words), policy) == []
                )
        if isinstance(rule, DisclaimerRule):
            fitting = AdCopy(
                placement="video", headline="Oats", category=rule.categories[0], disclaimer=rule.text
            )
            assert check_copy(fitting, policy) == []


def test_every_sample_retailer_has_a_policy_for_its_network() -> None:
    for folder in sorted((ROOT / "data" / "retailers").iterdir()):
        network = yaml.safe_load((folder / "mapping.yaml").read_text())["network"]
        section = yaml.safe_load((folder / "policy.yaml").read_text())["copy"]
        policy = copy_policy_for(network, section, where=str(folder / "policy.yaml"))
        long = AdCopy(placement="display", headline="a" * (section["max_headline_characters"] + 1))
        assert "TOO_LONG" in {violation.code for violation in check_copy(long, policy)}
