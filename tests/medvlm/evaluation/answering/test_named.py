"""Where strategies are named: options of the command, the evaluate section of a recipe."""

from __future__ import annotations

from pathlib import Path

import pytest

from medvlm.config import load_config
from medvlm.evaluation.answering.settings import Answering, parse_answering
from medvlm.evaluation.answering.strategies import STRATEGIES
from medvlm.evaluation.command import build_parser, main
from medvlm.evaluation.command_answering import read_answering
from medvlm.training.checks import check_protocols, recipe_answering

BASE = ["model", "--root", "data", "--set", "thorax", "--out", "out"]


def test_the_command_names_every_strategy() -> None:
    words = ["greedy", "letters", "texts", "vote:8", "pass:8", "refine:4", "budget:8:64"]
    found = [read_answering(build_parser().parse_args([*BASE, "--answering", word])).strategy for word in words]
    assert found == list(STRATEGIES)


def test_options_of_the_command() -> None:
    options = ["--answering", "vote:4", "--temperature", "0.5", "--shots", "2", "--orders", "4"]
    found = read_answering(build_parser().parse_args([*BASE, *options]))
    assert found == Answering("vote", draws=4, temperature=0.5, shots=2, orders=4)
    assert read_answering(build_parser().parse_args(BASE)) == Answering(probabilities=True)
    assert read_answering(build_parser().parse_args([*BASE, "--no-probabilities"])) == Answering()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--answering", "vote:0"], "expected at least 1"),
        (["--answering", "guess"], "expected one of greedy"),
        (["--temperature", "1"], "draws nothing"),
        (["--orders", "0"], "orders=0"),
    ],
)
def test_what_cannot_be_answered_so_ends_the_command(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*BASE, *options]) == 1
    assert message in capsys.readouterr().err


def test_a_file_of_predictions_is_not_answered_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text("")
    given = ["--predictions", str(path), "--root", str(tmp_path), "--set", "thorax", "--orders", "2"]
    assert main(given) == 1
    assert "need a model" in capsys.readouterr().err


def test_a_recipe_names_it_and_is_checked_before_training() -> None:
    recipe = load_config("cxr_r1.yaml", ["evaluate.answering=vote:5", "evaluate.shots=1", "evaluate.temperature=0.4"])
    assert recipe_answering(recipe) == parse_answering("vote:5", shots=1, temperature=0.4)
    assert recipe_answering(load_config("cxr_r1.yaml", [])) == Answering(probabilities=True)
    with pytest.raises(ValueError, match="expected one of"):
        check_protocols(load_config("cxr_r1.yaml", ["evaluate.answering=best"]))
    with pytest.raises(ValueError, match="reasoning: true"):
        check_protocols(load_config("cxr_r1.yaml", ["evaluate.answering=budget:1:9", "reasoning=false"]))
