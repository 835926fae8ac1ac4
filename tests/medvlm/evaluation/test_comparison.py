"""Win, tie and loss against scipy and by hand; runs that cannot be compared are refused."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats  # type: ignore[import-untyped]

from medvlm.evaluation.command import main
from medvlm.evaluation.comparison import Run, compare_runs, load_run
from medvlm.evaluation.predictions import score_predictions, write_scored
from medvlm.evaluation.protocols import Protocol
from medvlm.evaluation.records import grade
from medvlm.evaluation.significance import detectable_difference, holm, mcnemar_exact
from medvlm.study import Sample, SampleError

SAMPLES = [Sample(str(number), (), f"Q{number}?", "yes", "closed", group=f"p{number // 2}") for number in range(80)]


def run_of(right: Sequence[bool], name: str = "run", samples: Sequence[Sample] = SAMPLES) -> Run:
    texts = ["yes" if hit else "no" for hit in right]
    pairs = zip(samples, texts, strict=True)
    return Run(name, {s.id: grade(s, text, run=name, cluster=s.group) for s, text in pairs}, {})


@pytest.mark.parametrize(("first", "second"), [(0, 5), (3, 3), (7, 2), (30, 55), (400, 480), (0, 0)])
def test_mcnemar_is_the_binomial_test_of_scipy(first: int, second: int) -> None:
    expected = stats.binomtest(first, first + second).pvalue if first + second else 1.0
    assert mcnemar_exact(first, second) == pytest.approx(expected)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []


def test_without_clusters_the_detectable_difference_is_the_textbook_one() -> None:
    gains = np.random.default_rng(0).integers(-1, 2, 300)
    expected = (stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) * gains.std(ddof=1) / math.sqrt(300)
    assert detectable_difference(gains, list(range(300))) == pytest.approx(expected)
    doubled = detectable_difference(np.repeat(gains, 2), np.repeat(np.arange(300), 2).tolist())
    assert doubled == pytest.approx(expected)


def test_detectable_differences_are_found_about_as_often_as_said() -> None:
    generator = np.random.default_rng(1)
    size = detectable_difference(stats.zscore(generator.normal(size=400), ddof=1), list(range(400)))
    found = [stats.ttest_1samp(generator.normal(size, 1, 400), 0).pvalue < 0.05 for _ in range(400)]
    assert 0.74 < np.mean(found) < 0.86


def test_a_clear_difference_wins_and_turns_into_a_loss() -> None:
    good, poor = run_of([True] * 70 + [False] * 10, "good"), run_of([True] * 30 + [False] * 50, "poor")
    (win,) = compare_runs(good, [poor])
    (loss,) = compare_runs(poor, [good])
    assert (win.outcome, loss.outcome) == ("win", "loss")
    assert (win.only, win.difference.value) == ((40, 0), 0.5)
    assert win.mcnemar == pytest.approx(2 / 2**40)
    assert win.difference.p == pytest.approx(1 / 2001)
    assert win.to_text().startswith("WIN: good wins over poor: accuracy 0.875 against 0.375")


def test_a_small_difference_and_equal_runs_tie() -> None:
    half = run_of([True, False] * 40)
    (near,) = compare_runs(run_of([True] + [True, False] * 39 + [True]), [half])
    assert near.outcome == "tie"
    (same,) = compare_runs(half, [half])
    assert (same.outcome, same.difference.p, same.mcnemar) == ("tie", 1.0, 1.0)
    assert "detectable with 80 % power: unknown" in same.to_text()


def test_many_comparisons_make_one_of_them_a_tie() -> None:
    first = run_of([True] * 60 + [False] * 20, "A")
    other = run_of([True] * 51 + [False] * 29, "B")
    (alone,) = compare_runs(first, [other])
    many = compare_runs(first, [other] * 40)
    assert alone.outcome == "win"
    assert many[0].p_holm == pytest.approx(min(1, 40 * alone.difference.p))


def test_one_question_or_one_cluster_is_a_tie_without_interval() -> None:
    one = compare_runs(run_of([True], samples=SAMPLES[:1]), [run_of([False], samples=SAMPLES[:1])])[0]
    assert (one.outcome, one.difference.p, one.mcnemar) == ("tie", 1.0, 1.0)
    assert "no interval from one cluster" in one.to_text()


def test_reports_compare_by_findings_and_others_by_a_score() -> None:
    samples = [Sample(str(i), (), "?", "Pleural effusion.", "report", group=str(i)) for i in range(20)]
    runs = [
        Run(name, {s.id: grade(s, text, run="r", cluster=s.group) for s in samples}, {})
        for name, text in (("right", "Pleural effusion."), ("wrong", "No pleural effusion. Cardiomegaly."))
    ]
    (verdict,) = compare_runs(runs[0], runs[1:])
    assert (verdict.outcome, verdict.values, verdict.mcnemar) == ("win", (1.0, 0.0), None)
    assert compare_runs(runs[0], runs[1:], metric="missed")[0].difference.value < 0
    with pytest.raises(ValueError, match="no question has 'iou'; expected accuracy or one of extra, hits, missed"):
        compare_runs(runs[0], runs[1:], metric="iou")


def test_other_questions_are_refused_or_left_out_and_counted() -> None:
    whole, part = run_of([True] * 80, "whole"), run_of([False] * 60, "part", SAMPLES[20:])
    with pytest.raises(
        SampleError, match=r"20 only in the first \('0', .*\), 0 only in the second \(none\), 60 in both"
    ):
        compare_runs(whole, [part])
    (verdict,) = compare_runs(whole, [part], common=True)
    assert verdict.difference.n == 60
    assert "the 60 common questions; 20 of the first and 0 of the second left out" in verdict.notes
    with pytest.raises(SampleError, match="no question in common"):
        compare_runs(run_of([True], samples=SAMPLES[:1]), [part], common=True)
    changed = [replace(SAMPLES[0], question="Another?"), *SAMPLES[1:]]
    with pytest.raises(SampleError, match="1 questions have one id but another text"):
        compare_runs(whole, [run_of([True] * 80, "new", changed)])


def test_the_command_compares_folders_and_refuses_other_protocols(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, version, hits in (("a", 1, 70), ("b", 1, 30), ("old", 0, 30)):
        given = {sample.id: "yes" if place < hits else "no" for place, sample in enumerate(SAMPLES)}
        write_scored(tmp_path / name, *score_predictions(SAMPLES, given, Protocol("own", version), source=name))
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "b")]) == 0
    assert "wins over" in capsys.readouterr().out
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "old")]) == 1
    assert "protocol own v1 and own v0" in capsys.readouterr().err
    (tmp_path / "old" / "score.json").unlink()
    assert main(["compare", str(tmp_path / "a" / "real.jsonl"), str(tmp_path / "old")]) == 0
    assert "that the protocol is the same was not checked" in capsys.readouterr().out
    write_scored(tmp_path / "other", *score_predictions(SAMPLES, given, Protocol("own", cluster="image"), source="o"))
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "other")]) == 1
    assert "not scored alike: fingerprint" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "empty")]) == 1
    (tmp_path / "none.jsonl").write_text("")
    with pytest.raises(ValueError, match="holds no records"):
        load_run(tmp_path / "none.jsonl")
