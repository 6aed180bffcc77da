"""When is full data worth something? The field game in many markets of every preset, clean room included.

    .venv/bin/python benchmarks/sensitivity.py [--worlds 30] [--presets textbook messy …] [--out docs]

Each market is built, its logs go through the real clean rooms of `data/retailers/*/policy.yaml`, all 32 combinations
of {margin, stock, promo, price, grain} are planned and judged in its truth. Markets come seed by seed through all
presets, and each finished one is kept in `--kept` (JSON lines), so that a study that was stopped goes on where it was.
Writes <out>/results/sensitivity.json and <out>/images/sensitivity.png.
"""

import argparse
import time
from pathlib import Path

from rmn_pipeline.comparison.sensitivity import CaseResult, play_case, summarize_cases
from rmn_pipeline.comparison.sensitivity_plot import sensitivity_png
from rmn_pipeline.defs.market_cases import MarketSize, market_case, market_seeds
from rmn_pipeline.defs.project import find_project
from rmn_pipeline.world.presets import PRESETS, preset

FIRST_SEED = 41_000
REPLICATES = 20


def main() -> None:
    """Play what is missing, then summarize everything that is there."""
    options = _options()
    size = MarketSize()
    done = _kept(options.kept)
    for seed in market_seeds(options.worlds, FIRST_SEED):
        for name in options.presets:
            if (name, seed) in done or time.monotonic() > options.deadline:
                continue
            started = time.monotonic()
            case = market_case(find_project(), name, preset(name, seed=seed, **size.knobs()))
            built = time.monotonic() - started
            result = play_case(case, replicates=REPLICATES)
            with options.kept.open("a") as lines:
                lines.write(result.model_dump_json() + "\n")
            done[name, seed] = result
            played = time.monotonic() - started - built
            print(f"{name} {seed}: market and clean room {built:.1f} s, 32 plans {played:.1f} s", flush=True)
    _write(options.out, [result for (name, _), result in done.items() if name in options.presets], size)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worlds", type=int, default=30, help="markets per preset")
    parser.add_argument("--presets", nargs="+", default=list(PRESETS), choices=list(PRESETS))
    parser.add_argument("--out", type=Path, default=Path("docs"))
    parser.add_argument("--kept", type=Path, default=Path("sensitivity.jsonl"), help="finished markets")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="start no market after this")
    options = parser.parse_args()
    options.deadline = time.monotonic() + 60 * options.minutes
    return options


def _kept(path: Path) -> dict[tuple[str, int], CaseResult]:
    if not path.is_file():
        return {}
    results = [CaseResult.model_validate_json(line) for line in path.read_text().splitlines()]
    return {(result.preset, result.seed): result for result in results}


def _write(out: Path, results: list[CaseResult], size: MarketSize) -> None:
    notes = {
        "arms per market": str(size.arms),
        "days of history": str(size.days),
        "customers per retailer": f"{size.customers_per_retailer:,}",
        "first seed": str(FIRST_SEED),
    }
    found = summarize_cases(results, PRESETS, replicates=REPLICATES, notes=notes)
    for folder in ("results", "images"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    (out / "results" / "sensitivity.json").write_text(found.model_dump_json(indent=1) + "\n")
    (out / "images" / "sensitivity.png").write_bytes(sensitivity_png(found))
    for summary in found.presets:
        gap = summary.relative_gap
        print(
            f"{summary.preset}: {summary.worlds} worlds, full data {gap.value:+.1%} "
            f"[{gap.low:+.1%}, {gap.high:+.1%}], ahead in {summary.share_of_worlds_won:.0%}: {summary.reading}"
        )


if __name__ == "__main__":
    main()
