"""Every finding from a course made by hand, and none from a healthy one."""

from __future__ import annotations

import math

import pytest

from medvlm.training.diagnosis import diagnose

STEPS = 20
GOOD = {
    "reward": (0.5, 0.8),
    "reward/accuracy": (0.45, 0.72),
    "reward/format": (0.95, 0.97),
    "zero_variance": (0.1, 0.3),
    "length": (90, 100),
    "truncated": (0.02, 0.01),
    "entropy": (0.4, 0.2),
    "normal": (0.3, 0.3),
    "distinct": (0.6, 0.4),
    "sampler_gap": (1e-6, 1e-6),
    "skipped": (0, 0),
    "clipped_share": (0, 0.01),
}


def course(changes: dict[str, tuple[float, float]]) -> dict[str, list[tuple[float, float]]]:
    """Straight lines from a first to a last value."""
    ends = GOOD | changes
    return {
        name: [(step, first + (last - first) * step / (STEPS - 1)) for step in range(STEPS)]
        for name, (first, last) in ends.items()
    }


@pytest.mark.parametrize(
    ("changes", "name", "words"),
    [
        ({"zero_variance": (0.2, 1.0)}, "zero variance", "in 98% of the last groups"),
        ({"reward/accuracy": (0.7, 1.0)}, "too easy", "pass rate 99%"),
        ({"reward/accuracy": (0.0, 0.0)}, "too hard", "pass rate 0%"),
        ({"length": (50, 150)}, "length runaway", "grew from 53 to 147 tokens while the reward changed by +0.28"),
        ({"length": (100, 5)}, "length collapse", "from 98 to 8 tokens"),
        ({"truncated": (0.0, 0.4)}, "truncation", "39% of the last answers are cut"),
        (
            {"reward/format": (0.2, 1.0), "reward/accuracy": (0.5, 0.5)},
            "format only",
            "learned (+0.76) but not the answers (+0.00)",
        ),
        ({"entropy": (0.5, 0.0)}, "entropy collapse", "entropy fell from 0.487 to 0.0132"),
        ({"entropy": (0.5, 4.0)}, "entropy runaway", "falls apart"),
        ({"reward": (0.8, 0.5)}, "reward fell", "from 0.79 to 0.51"),
        ({"reward": (0.5, 0.5)}, "no progress", "stayed at 0.50 to 0.50 in 20 steps"),
        ({"normal": (0.5, 1.0)}, "everything normal", "99% of the last answers"),
        (
            {"distinct": (0.5, 0.0), "zero_variance": (0.1, 0.6)},
            "one answer",
            "1.3% of the last answers of a step are distinct",
        ),
        ({"sampler_gap": (0.5, 0.5)}, "sampler gap", "by up to 0.5 a token"),
        ({"skipped": (0.1, 0.1)}, "skipped steps", "2 of 20 steps"),
        ({"idle": (1, 1)}, "idle steps", "20 of 20 steps had nothing to learn from"),
        ({"reward_failed": (0.5, 0.5)}, "failed rewards", "failed for 10 completions"),
        ({"clipped_share": (0.2, 0.5)}, "clipping", "49% of the last tokens"),
    ],
)
def test_each_finding_alone(changes: dict[str, tuple[float, float]], name: str, words: str) -> None:
    (finding,) = diagnose(course(changes))
    assert finding.name == name
    assert words in finding.text
    assert str(finding).startswith(f"{finding.level}: ")


def test_a_healthy_stage_is_said_to_be_one() -> None:
    (finding,) = diagnose(course({}))
    assert finding.level == "fine"
    assert str(finding) == (
        "nothing looks wrong in 20 steps: reward 0.51 to 0.79, accuracy 0.46 to 0.71, entropy 0.39 to 0.21"
    )


def test_groups_without_variance_are_all_right_or_all_wrong() -> None:
    right, _ = diagnose(course({"zero_variance": (1, 1), "reward/accuracy": (1, 1)}))
    assert "teaches nothing; all are right" in right.text
    assert right.level == "alarm"
    found = [finding.name for finding in diagnose(course({"zero_variance": (1, 1), "reward/accuracy": (0, 0)}))]
    assert found == ["zero variance", "too hard"]


def test_few_distinct_answers_that_still_differ_within_groups_are_no_collapse() -> None:
    assert [finding.level for finding in diagnose(course({"distinct": (0.01, 0.001)}))] == ["fine"]  # yes and no


def test_few_steps_or_no_numbers_say_nothing_of_a_course() -> None:
    two = {name: points[:2] for name, points in course({"length": (1, 1000), "entropy": (0.5, 0.0)}).items()}
    assert [finding.name for finding in diagnose(two)] == ["fine"]
    assert [finding.name for finding in diagnose({})] == ["no rewards"]
    assert [finding.name for finding in diagnose({"reward": [(0, math.nan), (1, math.nan)]})] == ["no rewards"]


def test_preference_stages_have_findings_of_their_own() -> None:
    good = {"pair_accuracy": (0.5, 0.9), "margin": (0, 2), "logp_chosen": (-50, -48), "logp_rejected": (-50, -70)}

    def found(**changes: tuple[float, float]) -> list[str]:
        curves = course(changes)
        return [finding.name for finding in diagnose({name: curves[name] for name in good})]

    assert found(**good) == ["fine"]
    assert found(**good | {"pair_accuracy": (0.5, 0.5)}) == ["pairs"]
    assert found(**good | {"logp_chosen": (-50, -60)}) == ["likelihood"]


def test_values_that_are_not_finite_are_left_out() -> None:
    curves = course({})
    curves["length"][-1] = (STEPS - 1, math.nan)
    curves["entropy"][0] = (0, math.inf)
    assert [finding.level for finding in diagnose(curves)] == ["fine"]
