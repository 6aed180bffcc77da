"""Stage rmis: drafts of mapping.yaml for networks whose reports have landed and that nobody has mapped yet."""

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl

from rmn_pipeline.defs.assets.adapters import TORCH_POOL
from rmn_pipeline.defs.assets.rmis import GROUP, OWNERS
from rmn_pipeline.defs.metadata import markdown_table
from rmn_pipeline.defs.project import Project
from rmn_pipeline.defs.resources import ProjectResource
from rmn_pipeline.feeds import FeedError
from rmn_pipeline.rmis import HarmonizeError, MappingProposal, propose_mapping
from rmn_pipeline.rmis.proposals import report_glob
from rmn_pipeline.rmis.propose import write_text_atomically

if TYPE_CHECKING:
    from rmn_pipeline.federation import Federation

INDUSTRY_ADAPTER = "industry_retail_media"
# How likely an answer is right where no evaluation of the adapter is at hand.
_UNMEASURED = 0.5
# What the adapters' fields are called in a proposal.
_PRODUCT_FIELDS = {
    "title": "sku_dim.name",
    "brand_id": "sku_dim.brand",
    "category": "sku_dim.category",
    "size": "sku_dim.size",
}


@dataclass(frozen=True)
class LandedReport:
    """The report that a draft is made from, and the other kinds of report in the same folder."""

    retailer_id: str
    path: Path
    other_kinds: tuple[str, ...]


class AdapterVote:
    """Asks the adapters about one column at a time.

    'none' is no vote: a small model says it of what it does not know as well as of what is no field.
    """

    def __init__(self, federation: "Federation", adapters: tuple[str, ...], probability: float) -> None:
        self._federation = federation
        self._adapters = adapters
        self._probability = probability
        self.asked = 0
        self.answered = 0
        self.failed = 0

    def __call__(self, header: str, values: list[str]) -> Mapping[str, float]:
        """The field that the adapters name for a column, with the probability that they are right."""
        from rmn_pipeline.federation import FederationError
        from rmn_pipeline.lora.prompts import NO_FIELD, candidate_fields, mapping_prompt

        self.asked += 1
        try:
            prompt = mapping_prompt(header, values, candidate_fields(header))
            answer = self._federation.infer(prompt, task="mapping", adapters=self._adapters).text.strip()
        except FederationError:
            # A header too long for the model's context; the count is shown in the metadata.
            self.failed += 1
            return {}
        if answer == NO_FIELD:
            return {}
        self.answered += 1
        return {_PRODUCT_FIELDS.get(answer, answer): self._probability}

    @property
    def told(self) -> str:
        """What was asked and answered, for people."""
        return (
            f"{', '.join(self._adapters)}: {self.asked} columns asked, {self.answered} fields named, "
            f"{self.failed} not readable; an answer counts with probability {self._probability:.2f}"
        )


def proposal_assets() -> list[dg.AssetsDefinition]:
    """Assets of this stage that are not partitioned."""

    @dg.asset(
        deps=["adapter_industry"],
        group_name=GROUP,
        kinds={"yaml", "polars"},
        owners=OWNERS,
        pool=TORCH_POOL,
        description="For every landing folder without a mapping: a draft of mapping.yaml from headers, values and "
        "the industry adapter's vote, with a confidence per column and TODOs where a person must decide.",
    )
    def mapping_proposals(
        context: dg.AssetExecutionContext, project: ProjectResource
    ) -> dg.MaterializeResult:
        reports = unmapped_reports(project.paths)
        if not reports:
            return dg.MaterializeResult(
                metadata={
                    "drafts": 0,
                    "outcome": "nothing to do: every landing folder with reports has a mapping",
                }
            )
        voters = _Voters.open(project)
        if voters.problem:
            context.log.warning(voters.problem)
        proposals, problems = _propose(reports, voters)
        for retailer_id, reason in problems.items():
            context.log.warning(f"{retailer_id}: no draft: {reason}")
        if not proposals:
            raise dg.Failure("; ".join(f"{name}: {reason}" for name, reason in problems.items()))
        for retailer_id, proposal in proposals.items():
            write_text_atomically(draft_path(project.paths, retailer_id), _draft(proposal, retailer_id))
        return dg.MaterializeResult(
            metadata={
                "drafts": len(proposals),
                "files": dg.MetadataValue.md(
                    "\n".join(
                        f"- `{draft_path(project.paths, name).relative_to(project.paths.root)}`"
                        for name in proposals
                    )
                ),
                "columns": dg.MetadataValue.md(markdown_table(_columns(proposals))),
                "model_vote": voters.told,
                "other_reports": _other_reports(reports),
                "problems": dg.MetadataValue.json(problems),
            }
        )

    return [mapping_proposals]


def draft_path(paths: Project, retailer_id: str) -> Path:
    """Where a retailer's draft is written."""
    return paths.lake_dir / "mapping_proposals" / f"{retailer_id}.yaml"


def unmapped_reports(paths: Project) -> list[LandedReport]:
    """For every landing folder that has reports and no mapping, the newest report of the commonest kind."""
    found = []
    for folder in sorted((paths.data_dir / "landing").glob("*/reports")):
        retailer_id = folder.parent.name
        if (paths.retailer_dir(retailer_id) / "mapping.yaml").is_file():
            continue
        kinds: dict[str, list[Path]] = defaultdict(list)
        for path in sorted(folder.iterdir()):
            if path.is_file() and not path.name.startswith("."):
                kinds[report_glob(path.name)].append(path)
        if kinds:
            commonest = max(kinds, key=lambda kind: (len(kinds[kind]), kind))
            others = tuple(kind for kind in kinds if kind != commonest)
            found.append(LandedReport(retailer_id, kinds[commonest][-1], others))
    return found


def _propose(
    reports: list[LandedReport], voters: "_Voters"
) -> tuple[dict[str, MappingProposal], dict[str, str]]:
    """A proposal for each report that can be read, and why the others cannot."""
    proposals, problems = {}, {}
    for report in reports:
        try:
            proposals[report.retailer_id] = propose_mapping(report.path, vote=voters.vote(report.retailer_id))
        except (FeedError, HarmonizeError) as error:
            problems[report.retailer_id] = str(error)
    return proposals, problems


class _Voters:
    """The industry adapter, and where a retailer has one, its own: whichever of them there are."""

    def __init__(self, federation: "Federation | None", probability: float, problem: str) -> None:
        self._federation = federation
        self._probability = probability
        self.problem = problem
        self._votes: dict[str, AdapterVote] = {}

    @classmethod
    def open(cls, project: ProjectResource) -> "_Voters":
        """Looks for adapters first: the model is loaded only if there is one to ask."""
        from rmn_pipeline.federation import AdapterRegistry, Federation
        from rmn_pipeline.lora.manifest import AdapterError

        paths, base_dir = project.paths, project.base_dir
        try:
            AdapterRegistry.scan(paths.adapters_dir, base_dir=base_dir).path(INDUSTRY_ADAPTER)
            federation = Federation.load(paths.adapters_dir, base_dir=base_dir)
        except AdapterError as error:
            return cls(None, 0.0, f"no vote: {error}")
        return cls(federation, measured_probability(paths), "")

    def vote(self, retailer_id: str) -> AdapterVote | None:
        """Who is asked about one retailer's report."""
        if self._federation is None:
            return None
        known = self._federation.registry.adapters
        adapters = tuple(name for name in (INDUSTRY_ADAPTER, f"retailer_{retailer_id}") if name in known)
        self._votes[retailer_id] = AdapterVote(self._federation, adapters, self._probability)
        return self._votes[retailer_id]

    @property
    def told(self) -> str:
        """What was asked and answered, for people."""
        return self.problem or "; ".join(f"{name}: {vote.told}" for name, vote in self._votes.items())


def measured_probability(paths: Project) -> float:
    """How likely the adapter is right on a network it has not seen.

    Half way between the lower bound of its measured accuracy and chance: the evaluation's rows are of networks
    that it was trained on.
    """
    file = paths.lake_dir / "adapter_evaluations" / f"{INDUSTRY_ADAPTER}.json"
    if not file.is_file():
        return _UNMEASURED
    metrics = json.loads(file.read_text(encoding="utf-8"))["evaluation"]["metrics"]
    for metric in metrics:
        if metric["name"] == "mapping.accuracy" and metric["chance"] is not None:
            return float(metric["stack_low"] + metric["chance"]) / 2
    return _UNMEASURED


def _draft(proposal: MappingProposal, retailer_id: str) -> str:
    return (
        "# Written anew by every run of the asset mapping_proposals: copy it to\n"
        f"# data/retailers/{retailer_id}/mapping.yaml, and answer its TODOs there.\n"
        + proposal.to_yaml(retailer_id)
    )


def _columns(proposals: Mapping[str, MappingProposal]) -> pl.DataFrame:
    rows = [
        {
            "retailer": retailer_id,
            "column": column,
            "field": target or proposal.keys.get(column),
            "confidence": proposal.confidence[column],
            "why": "; ".join(proposal.reasons.get(column, ())),
        }
        for retailer_id, proposal in proposals.items()
        for column, target in proposal.columns.items()
    ]
    return pl.DataFrame(rows, schema_overrides={"field": pl.String, "why": pl.String})


def _other_reports(reports: list[LandedReport]) -> str:
    told = [
        f"{report.retailer_id}: {', '.join(report.other_kinds)}" for report in reports if report.other_kinds
    ]
    return "; ".join(told) or "none"
