from rmn_pipeline.measurement import (
    LiftSettings,
    complete_assignment,
    effect_over_time_png,
    geo_lift,
    power_curve,
    power_png,
)
from rmn_pipeline_tests.measurement.markets import day, market

PNG = b"\x89PNG"


def test_read_outs_and_power_can_be_drawn():
    panel = market(geos=12)
    assignment = complete_assignment(panel.geos, panel.geos[:6])
    settings = LiftSettings(redraws=99, aa_runs=0)
    result = geo_lift(panel, assignment, day(63), day(83), settings)
    assert effect_over_time_png(result).startswith(PNG)
    assert power_png(power_curve(panel, assignment, 14, runs=20, settings=settings)).startswith(PNG)
