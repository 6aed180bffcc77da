import os
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from rmn_pipeline.planning import PlanError, Scenario, optimize, optimize_packages
from rmn_pipeline.planning.packages import pick_one_per_group
from rmn_pipeline.planning.problem import problem_of
from rmn_pipeline.planning.program import Effort
from rmn_pipeline_tests.planning.optimizer_cases import random_arms

# Khan's instances of the multiple-choice knapsack, with their proved optima (github.com/shah314/samultichoiceknapsack).
INSTANCES = Path(
    os.environ.get("MMKP_INSTANCES", Path(__file__).parents[3] / "shared" / "benchmarks" / "mmkp")
)
PROVED = {"I01": 173.0, "I02": 364.0, "I03": 1602.0, "I05": 3905.7}


def read_instance(path: Path) -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray]:
    """Numbers: n l m, m capacities, then per group an index and l times profit w1..wm."""
    words = path.read_text().split()
    groups, items, resources = (int(word) for word in words[:3])
    start, block = 3 + resources, 1 + items * (1 + resources)
    capacity = np.array(words[3:start], dtype=np.float64)
    # Lists of known solutions follow the groups.
    rest = np.array(words[start : start + groups * block], dtype=np.float64)
    blocks = rest.reshape(groups, block)[:, 1:].reshape(groups, items, 1 + resources)
    return [block[:, 0] for block in blocks], [block[:, 1:] for block in blocks], capacity


@pytest.mark.parametrize(("name", "optimum"), PROVED.items())
def test_multiple_choice_knapsacks_are_solved_to_their_proved_optima(name: str, optimum: float) -> None:
    if not (INSTANCES / name).exists():
        pytest.skip(f"instance {name} is not here; set MMKP_INSTANCES to a folder that holds it")
    values, uses, capacity = read_instance(INSTANCES / name)
    picked = pick_one_per_group(values, uses, capacity, Effort(relative_gap=1e-6, time_limit_s=300.0))
    assert picked.value == pytest.approx(optimum, abs=1e-6)
    assert picked.bound <= optimum * (1 + 1e-5)
    used = sum(use[item] for use, item in zip(uses, picked.items, strict=True))
    assert (used <= capacity + 1e-6).all()


def test_packages_are_the_best_of_all_combinations() -> None:
    arms = random_arms(5, 8, retailers=2)
    levels = [(0.0, 100.0, 300.0, 1_000.0)] * 5
    scenario = Scenario(arms, 1_300.0, min_roas=2.0, objective="incremental_margin")
    problem = problem_of(scenario)
    best = max(
        problem.value(np.array(spend))
        for spend in product(*levels)
        if (np.array(spend) <= problem.upper).all()
        and all(problem.excess(row, np.array(spend)) <= 0 for row in problem.rows)
    )
    plan = optimize_packages(scenario, levels)
    assert plan.predicted.incremental_margin_usd == pytest.approx(best, rel=1e-6)
    assert plan.certified_gap is not None and plan.certified_gap <= 1e-4
    assert set(plan.allocation_frame()["spend_usd"]) <= {100.0, 300.0, 1_000.0}
    assert plan.predicted.incremental_margin_usd <= optimize(scenario).predicted.incremental_margin_usd


def test_packages_that_cannot_be_are_refused() -> None:
    arms = random_arms(3, 8)
    with pytest.raises(PlanError, match="no spend level"):
        optimize_packages(Scenario(arms, 500.0), [(900.0,)] * 3)
    with pytest.raises(PlanError, match="one list of spend levels per arm"):
        optimize_packages(Scenario(arms, 500.0), [(0.0,)])
    assert optimize_packages(Scenario(arms, 500.0), [(200.0,)] * 3).status == "infeasible"
