"""The list of sets on the command line."""

from __future__ import annotations

import json

import pytest

from medvlm.convert_command import main
from medvlm.datamodules.sets import SETS


def test_every_set_is_a_line_with_its_access_and_counts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sets"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split()[:2] == ["set", "access"]
    assert [line.split()[:2] for line in lines] == [[card.name, card.access] for card in SETS.values()]
    assert "train 1,797 / test 451" in next(line for line in lines if line.startswith("vqa_rad "))


def test_one_set_is_a_page_that_says_where_to_get_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sets", "slake"]) == 0
    page = capsys.readouterr().out
    assert "med-vqa.com" in page
    assert "CC BY 4.0" in page
    assert "test 1,061" in page


def test_json_has_every_fact_but_the_loader(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sets", "m3d_cap", "--json"]) == 0
    (card,) = json.loads(capsys.readouterr().out)
    assert (card["name"], card["access"], card["kinds"]) == ("m3d_cap", "withdrawn", ["report"])
    assert "load" not in card


def test_an_unknown_set_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sets", "vqarad"]) == 2
    assert "did you mean 'vqa_rad'" in capsys.readouterr().out
