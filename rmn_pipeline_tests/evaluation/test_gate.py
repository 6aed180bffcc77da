import pytest

from rmn_pipeline.evaluation import GateSettings, Retention, decide

KEPT = Retention(rows=16, right_before=10, lost=1, gained=1)
FORGOT = Retention(rows=16, right_before=10, lost=6, gained=0)
FEW = Retention(rows=4, right_before=2, lost=1, gained=0)


@pytest.mark.parametrize(
    ("figures", "reasons"),
    [
        ({"score": 0.6, "chance": 0.2}, []),
        ({"score": 0.2, "chance": 0.2}, ["does not beat chance"]),
        ({"score": 0.2, "chance": 0.2, "rows": 48}, ["does not beat chance"]),
        # None of eight right is no evidence against a chance of one in ten, but it is against one in two.
        ({"score": 0.0, "chance": 0.1, "rows": 8}, []),
        ({"score": 0.0, "chance": 0.5, "rows": 8}, ["does not beat chance"]),
        ({"score": 0.6, "chance": 0.2, "champion_score": 0.64}, []),
        ({"score": 0.6, "chance": 0.2, "champion_score": 0.7}, ["below the champion's 0.700"]),
        ({"score": 0.6, "chance": 0.2, "retention": KEPT}, []),
        ({"score": 0.6, "chance": 0.2, "retention": FORGOT}, ["retention 0.40"]),
        ({"score": 0.6, "chance": 0.2, "retention": FEW}, []),
        (
            {"score": 0.1, "chance": 0.2, "champion_score": 0.7, "retention": FORGOT},
            ["does not beat chance", "below the champion's", "retention 0.40"],
        ),
    ],
)
def test_the_gate_names_everything_that_stands_against_a_promotion(figures, reasons):
    decision = decide(**figures)
    assert decision.passed is (not reasons)
    assert len(decision.reasons) == len(reasons)
    assert all(part in reason for part, reason in zip(reasons, decision.reasons, strict=True))


def test_epsilon_decides_how_much_worse_than_the_champion_is_allowed():
    strict = GateSettings(epsilon=0.0)
    assert not decide(score=0.6, chance=0.2, champion_score=0.61, settings=strict).passed
    assert decide(score=0.61, chance=0.2, champion_score=0.61, settings=strict).passed


def test_retention_is_what_is_left_of_the_parents_right_rows():
    assert KEPT.share == 1.0
    assert FORGOT.share == pytest.approx(0.4)
    assert FORGOT.chance_of_loss() == pytest.approx(1 / 64)
    assert Retention(rows=3, right_before=0, lost=0, gained=1).share is None
