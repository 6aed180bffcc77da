"""A network's rules, read from its file, and made stricter by what a retailer adds.

Files lie in `governance/networks`, one per network; files whose name begins with an underscore are for inclusion.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from rmn_pipeline.governance.ad_copy.rules import LengthRule, RetailerCopySection, Rule, RuleFile, TermsRule
from rmn_pipeline.governance.ad_copy.violations import TextField, ViolationCode
from rmn_pipeline.governance.errors import CopyPolicyError

NETWORKS_FOLDER = Path(__file__).resolve().parents[1] / "networks"
_LIMITED_FIELDS: dict[TextField, str] = {
    "title": "max_title_characters",
    "headline": "max_headline_characters",
    "body": "max_body_characters",
}


@dataclass(frozen=True)
class CopyPolicy:
    """Everything that copy for one network (and one retailer on it) has to keep to."""

    network: str
    placements: tuple[str, ...]
    rules: tuple[Rule, ...]


def network_names(folder: Path = NETWORKS_FOLDER) -> list[str]:
    """The networks that have a rule file."""
    return sorted(path.stem for path in folder.glob("*.yaml") if not path.name.startswith("_"))


def copy_policy(network: str, folder: Path = NETWORKS_FOLDER) -> CopyPolicy:
    """The rules of a network.

    Raises:
        CopyPolicyError: there is no such network, or its file (or one that it includes) is wrong; names file and key.
    """
    known = network_names(folder)
    if network not in known:
        raise CopyPolicyError(
            f"network {network!r} has no rule file in {folder}; there are: {', '.join(known) or 'none'}"
        )
    return _read_policy(network, folder)


def copy_policy_for(
    network: str, retailer_section: Mapping[str, Any], *, where: str = "copy", folder: Path = NETWORKS_FOLDER
) -> CopyPolicy:
    """The rules of a network together with a retailer's section `copy`; the stricter of both holds.

    Args:
        network: the network's name, as in the retailer's mapping.
        retailer_section: `max_title_characters`, `max_headline_characters`, `max_body_characters`, `banned_terms`.
        where: what the section is called in an error, such as its file.
        folder: where rule files lie.

    Raises:
        CopyPolicyError: no such network, or the section lacks or misspells a key.
    """
    policy = copy_policy(network, folder)
    try:
        section = RetailerCopySection.model_validate(dict(retailer_section))
    except ValidationError as error:
        raise CopyPolicyError(_problems(where, error)) from error
    return CopyPolicy(policy.network, policy.placements, (*policy.rules, *_retailer_rules(section, where)))


def _retailer_rules(section: RetailerCopySection, where: str) -> list[Rule]:
    """A retailer's limits as rules beside the network's: copy has to keep to both, so the stricter holds."""
    common: dict[str, Any] = {"source": where, "basis": "house"}
    added: list[Rule] = [
        LengthRule(
            kind="length",
            fields=[field],
            max_characters=getattr(section, name),
            message=f"the retailer's limit for a {field}",
            **common,
        )
        for field, name in _LIMITED_FIELDS.items()
    ]
    if section.banned_terms:
        added.append(
            TermsRule(
                kind="terms",
                code=ViolationCode.BANNED_TERM,
                terms=section.banned_terms,
                replace_with="",
                message="the retailer bans these words",
                **common,
            )
        )
    return added


@lru_cache(maxsize=64)
def _read_policy(network: str, folder: Path) -> CopyPolicy:
    own = _read_file(folder / f"{network}.yaml")
    included = [rule for name in own.include for rule in _read_file(folder / f"{name}.yaml").rules]
    policy = CopyPolicy(network, tuple(own.placements), (*own.rules, *included))
    _check_placements(policy, folder / f"{network}.yaml")
    return policy


def _read_file(path: Path) -> RuleFile:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CopyPolicyError(
            f"{path}: cannot be read ({error.strerror}); an `include` names a file there"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CopyPolicyError(f"{path}: is no YAML ({error})") from error
    try:
        return RuleFile.model_validate(content)
    except ValidationError as error:
        raise CopyPolicyError(_problems(str(path), error)) from error


def _check_placements(policy: CopyPolicy, path: Path) -> None:
    if not policy.placements:
        raise CopyPolicyError(f"{path}: placements: name the network's ad products")
    for number, rule in enumerate(policy.rules):
        unknown = sorted(set(rule.placements or ()) - set(policy.placements))
        if unknown:
            raise CopyPolicyError(
                f"{path}: rules.{number}.placements: unknown {', '.join(unknown)}; the file lists: "
                f"{', '.join(policy.placements)}"
            )


def _problems(where: str, error: ValidationError) -> str:
    return "\n".join(
        f"{where}: {'.'.join(str(part) for part in problem['loc']) or 'file'}: {problem['msg']}"
        for problem in error.errors()
    )
