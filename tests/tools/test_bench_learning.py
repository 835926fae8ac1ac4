"""The learning bench: its arithmetic on made-up answers, and a tiny run that is not done twice."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from medvlm.evaluation.records import Record, grade
from medvlm.evaluation.statistics import paired_difference, ratio_interval
from medvlm.stages import GRPOStage
from medvlm.study import Sample
from medvlm.training.rewards.places import box_iou_reward
from medvlm.training.rewards.reports import finding_f1_reward
from tools.bench import learning_ct, learning_domains, learning_dpo, learning_rewards
from tools.bench.learning import main
from tools.bench.learning_runs import Bench
from tools.bench.learning_table import estimate


def closed(texts: Sequence[str], wanted: str = "yes") -> list[Record]:
    """Two questions a patient."""
    samples = [Sample(str(i), (), "Effusion?", wanted, "closed", group=f"p{i // 2}") for i in range(len(texts))]
    return [grade(one, text, run="r", cluster=one.group) for one, text in zip(samples, texts, strict=True)]


def reports(texts: Sequence[str], wanted: str) -> list[Record]:
    samples = [Sample(str(i), (), "Report?", wanted, "report", group=f"p{i}") for i in range(len(texts))]
    return [grade(one, text, run="r", cluster=one.group) for one, text in zip(samples, texts, strict=True)]


RIGHT, WRONG = closed(["yes"] * 40), closed(["no"] * 40)
MIXED = closed(["yes", "no", "yes", "yes"] * 10)


def test_an_estimate_is_that_of_the_cluster_bootstrap() -> None:
    records = closed((["yes", "no", "no", "yes"] * 7 + ["yes", "yes"])[:30])
    found = estimate({0: records}, "accuracy")
    own = ratio_interval([bool(r.correct) for r in records], [1] * 30, [r.cluster for r in records], seed=7)
    assert found.value == own.value
    assert (found.low, found.high) == pytest.approx((own.low, own.high), abs=0.04)
    gap = estimate({0: records}, "accuracy", {0: closed(["no"] * 30)})
    wanted = paired_difference([bool(r.correct) for r in records], [0] * 30, [r.cluster for r in records])
    assert (gap.value, gap.clusters, gap.n) == (wanted.value, 15, 30)


def test_a_difference_is_sure_where_every_seed_agrees() -> None:
    assert estimate({0: RIGHT, 1: MIXED}, "accuracy", {0: WRONG, 1: WRONG}).sure
    assert not estimate({0: RIGHT, 1: WRONG}, "accuracy", {0: WRONG, 1: RIGHT}).sure
    with pytest.raises(ValueError, match="same questions"):
        estimate({0: RIGHT}, "accuracy", {0: WRONG[:10]})


def test_metrics_of_reports_by_hand() -> None:
    """One of two named findings is made up, one of two there is missed."""
    wanted = "Pleural effusion. Cardiomegaly."
    arm = {0: reports(["Pleural effusion. Nodule."] * 3, wanted)}
    assert estimate(arm, "hallucinated findings").value == pytest.approx(0.5)
    assert estimate(arm, "finding F1").value == pytest.approx(0.5)
    assert estimate({0: closed(["<think>a</think><answer>yes</answer>", "yes"])}, "format").value == 0.5


def test_what_a_reward_pays_stands_beside_its_metric() -> None:
    """The rewards of the same answers, by the functions that GRPO pays them with."""
    wanted, given = ["Pleural effusion. Cardiomegaly.", "Lungs are clear."], ["Pleural effusion.", "Cardiomegaly."]
    records = [record for text, answer in zip(given, wanted, strict=True) for record in reports([text], answer)]
    paid = finding_f1_reward(given, answer=wanted, kind=["report"] * 2)
    assert estimate({0: records}, "F1 a report").value == pytest.approx(sum(value or 0 for value in paid) / 2)
    sample = Sample("1", (), "Where?", "0 0 0.5 0.5", "box", group="p")
    box = grade(sample, "0 0 0.5 0.25", run="r", cluster="p")
    (value,) = box_iou_reward([box.text], answer=[sample.answer], kind=["box"])
    assert estimate({0: [box]}, "box F1").value == pytest.approx(value) == pytest.approx(2 / 3)
    assert estimate({0: [box]}, "mean IoU").value == pytest.approx(0.5)
    assert estimate({0: [box]}, "IoU above 0.5").value == 0


def test_a_family_has_its_own_start_and_settings(tmp_path: Path) -> None:
    """Settings that a recipe refuses would be found only when that family is trained."""
    bench = Bench(tmp_path)
    for family in learning_rewards.FAMILIES:
        (stage,) = learning_rewards.recipe(bench, 0, family, tmp_path, "grpo").stages
        assert isinstance(stage, GRPOStage)
        assert stage.steps == {**learning_rewards.STAGE, **family.stage}["steps"]
        assert stage.rewards.keys() == family.rewards.keys()
        if family.teach:
            (teach,) = learning_rewards.recipe(bench, 0, family, tmp_path, "teach").stages
            assert (teach.objective, teach.steps) == ("sft", family.teach["steps"])


@pytest.mark.parametrize(("grpo", "words"), [(RIGHT, "SFT of equal compute holds"), (WRONG, "does not hold")])
def test_the_claim_is_said_plainly(grpo: list[Record], words: str) -> None:
    arms = {"sft": WRONG, "sft_continued": MIXED, "grpo": grpo}
    found = learning_domains.summarise(
        {(test.name, model): {0: arms[model], 1: arms[model]} for test in learning_domains.SETS for model in arms}
    )
    assert words in found["said"]
    assert found["table"].count("grpo - sft_continued") == 4
    assert found["majority"]["portable"] == 1.0  # made-up questions, all of them answered by yes


def test_a_reward_that_moves_nothing_is_said() -> None:
    accuracy, *_ = learning_rewards.FAMILIES
    moved = learning_rewards.summarise({"accuracy": ({0: WRONG}, {0: RIGHT})}, [accuracy])
    same = learning_rewards.summarise({"accuracy": ({0: MIXED}, {0: MIXED})}, [accuracy])
    assert "accuracy moved as asked" in moved["said"]
    assert "accuracy not clearly moved" in same["said"]


def test_fewer_made_up_findings_are_said() -> None:
    wanted = "Pleural effusion."
    bad, good = reports(["Pleural effusion. Nodule."] * 5, wanted), reports(["Pleural effusion."] * 5, wanted)
    assert "is lower in every seed" in learning_dpo.summarise({0: bad}, {0: good})["said"]
    assert "is not clearly lower" in learning_dpo.summarise({0: good}, {0: bad})["said"]


def test_summaries_of_finished_runs_are_collected(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed, value in ((0, 0.7), (1, 0.9)):
        row = {"accuracy": value, "low": 0.6, "high": 0.95, "n": 9, "cpu_seconds": 3.2}
        (tmp_path / str(seed)).mkdir()
        summary = {"sft": {**row, "accuracy": 0.5}, "grpo": row, "align": {"n": 3}}
        (tmp_path / str(seed) / "summary.json").write_text(json.dumps(summary))
    runs = [str(tmp_path / "0"), str(tmp_path / "1")]
    assert main(["--part", "d", "--work", str(tmp_path), "--runs", *runs]) == 0
    assert "+0.200, +0.400" in capsys.readouterr().out
    assert json.loads((tmp_path / "learning_d.json").read_text())["models"]["grpo"][1]["accuracy"] == 0.9
    with pytest.raises(ValueError, match=r"no summary\.json"):
        learning_ct.collect([tmp_path])
    with pytest.raises(SystemExit, match="--runs"):
        main(["--part", "a", "--work", str(tmp_path), "--runs", *runs])


def test_a_run_and_its_answers_are_not_made_twice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The format family: a start of its own, then GRPO; the other families share this path."""
    bench = Bench(tmp_path, quick=True)
    families = [family for family in learning_rewards.FAMILIES if family.name == "format"]
    first = learning_rewards.measure(bench, [0], families)
    made = capsys.readouterr().out
    assert (made.count("training"), made.count("answering")) == (4, 2)
    assert learning_rewards.measure(bench, [0], families)["table"] == first["table"]
    assert capsys.readouterr().out == ""


@pytest.mark.slow
@pytest.mark.parametrize("part", ["a", "b", "c"])
def test_a_part_runs_from_the_command_line(part: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--part", part, "--seeds", "0", "--work", str(tmp_path), "--quick"]) == 0
    assert "95 % over patients" in capsys.readouterr().out
    result = json.loads((tmp_path / f"learning_{part}.json").read_text())
    assert (result["seeds"], result["quick"]) == ([0], True)
    assert (tmp_path / f"learning_{part}.md").read_text().startswith("| ")
