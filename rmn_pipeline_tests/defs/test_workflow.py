"""The order of the chain and how it reports a failure."""

import dagster as dg
import pytest

from rmn_pipeline.defs.workflow import ChainError, ChainStep, chain_steps, run_steps


def test_parents_come_before_children() -> None:
    steps = chain_steps(["alpha", "beta"], ["brand_x"])
    order = [(step.assets[0], step.partition_key) for step in steps]
    assert order.index(("raw_feed", "beta")) < order.index(("training_set_industry", None))
    assert order.index(("training_set_industry", None)) < order.index(("training_set_retailer", "alpha"))
    assert order.index(("training_set_manufacturer", "brand_x")) < order.index(
        ("training_set_task_planning", None)
    )
    assert order[-1] == ("plan_request", "brand_x")
    assert len(order) == len(set(order)) == 2 + 1 + 2 + 1 + 3 + 1


def _definitions() -> dg.Definitions:
    @dg.asset
    def unchanged() -> dg.MaterializeResult:
        return dg.MaterializeResult(metadata={"reused": True})

    @dg.asset
    def broken() -> None:
        raise ValueError("the file x.csv is truncated")

    @dg.asset(check_specs=[dg.AssetCheckSpec("gate", asset="gated", blocking=True)])
    def gated() -> dg.MaterializeResult:
        failed = dg.AssetCheckResult(
            check_name="gate", passed=False, metadata={"reasons": "score 0.1 is below chance"}
        )
        return dg.MaterializeResult(check_results=[failed])

    return dg.Definitions(assets=[unchanged, broken, gated])


def test_a_failed_blocking_check_says_what_it_found() -> None:
    with (
        dg.DagsterInstance.ephemeral() as instance,
        pytest.raises(ChainError, match=r"gate: reasons score 0\.1"),
    ):
        list(run_steps(_definitions(), [ChainStep(("gated",))], instance))


def test_reused_assets_are_counted() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        outcomes = list(run_steps(_definitions(), [ChainStep(("unchanged",))], instance))
        runs = instance.get_runs()
    assert [outcome.reused_assets for outcome in outcomes] == [1]
    assert [run.run_id for run in runs] == [outcomes[0].run_id]


def test_a_failed_step_is_named_with_its_innermost_cause_and_stops_the_chain() -> None:
    steps = [ChainStep(("broken",)), ChainStep(("unchanged",))]
    with dg.DagsterInstance.ephemeral() as instance:
        with pytest.raises(ChainError, match=r"broken.*x\.csv is truncated"):
            list(run_steps(_definitions(), steps, instance))
        assert len(instance.get_runs()) == 1
