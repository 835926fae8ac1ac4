"""Rewards by published models, with what stands in for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from medvlm.stages import RewardTerm
from medvlm.study import WeightsError
from medvlm.training.rewards import REWARDS
from medvlm.training.rewards.scoring import RewardSet

ASKED: dict[str, Any] = {"answer": ["Edema.", "Edema.", "yes"], "kind": ["report", "report", "closed"]}


def entities(reports: list[str]) -> list[Any]:
    return [{"1": {"tokens": report, "label": "OBS-DP"}} for report in reports]


@pytest.mark.parametrize("name", ["chexbert", "bertscore", "radgraph", "ratescore"])
def test_absent_weights_are_named_with_their_licence(name: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"holds no .*huggingface\.co.*Licence"):
        REWARDS[name](["Edema."], answer=["Edema."], kind=["report"], folder=str(tmp_path))


@pytest.mark.parametrize("name", ["chexbert", "bertscore", "ratescore"])
def test_a_folder_is_needed_before_the_first_step(name: str) -> None:
    with pytest.raises(ValueError, match=f"Reward '{name}' needs the option 'folder'"):
        RewardSet({name: 1.0})


def test_an_annotator_may_be_ones_own() -> None:
    own = {"annotate": f"{__name__}:entities"}
    rewards = RewardSet({"radgraph": RewardTerm(options=own)})
    assert rewards.score(["Edema.", "", "yes"], ASKED)[0][:2, 0].tolist() == [1.0, 0.0]
    assert REWARDS["radgraph"](["Edema.", "Nodule.", "yes"], **own, **ASKED) == [1.0, 0.0, None]


def test_radgraph_is_annotated_by_one_of_two() -> None:
    with pytest.raises(ValueError, match="either `folder"):
        REWARDS["radgraph"](["Edema."], answer=["Edema."], kind=["report"])


def test_short_reports_do_not_shift_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    class Drops:
        """RaTEScore gives no row for a report of less than three letters."""

        def compute_score(self, given: list[str], wanted: list[str]) -> list[float]:
            return [float(a == b) for a, b in zip(given, wanted, strict=True) if len(a) > 2]

    monkeypatch.setattr("medvlm.training.rewards.weighted.load_ratescore", lambda *unused: Drops())
    asked: dict[str, Any] = {"answer": ["Edema.", "Nodule.", "Mass."], "kind": ["report"] * 3}
    assert REWARDS["ratescore"](["Edema.", "ab", "Mass."], folder="x", **asked) == [1.0, 0.0, 1.0]
