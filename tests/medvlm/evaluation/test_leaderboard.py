"""Ranks respect ties, and runs that were scored otherwise are never ranked among the others."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from medvlm.evaluation.command import main
from medvlm.evaluation.comparison import load_run
from medvlm.evaluation.leaderboard import Leaderboard, load_board, make_board
from medvlm.evaluation.leaderboard_page import board_markdown, board_page, board_text
from medvlm.evaluation.predictions import score_predictions, write_scored
from medvlm.evaluation.protocols import Protocol
from medvlm.study import Sample

SAMPLES = [Sample(f"q{n}", (), "Any effusion?", "yes", "closed", group=f"p{n // 2}") for n in range(200)]
Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Leaves a run that has so many of 200 questions right, which ones being up to a seed."""

    def build(name: str, right: int, *, seed: int = 0, version: int = 1, questions: int = 200) -> Path:
        lucky = set(random.Random(seed).sample(range(200), right))
        asked = SAMPLES[:questions]
        given = {sample.id: "yes" if place in lucky else "no" for place, sample in enumerate(asked)}
        score, records = score_predictions(asked, given, Protocol("own", version), source=name)
        write_scored(tmp_path / name, score, records)
        return tmp_path / name

    return build


def ranks(board: Leaderboard) -> dict[str, int]:
    return {Path(place.name).name: place.rank for place in board.places}


def test_runs_that_do_not_differ_share_a_rank(make: Make) -> None:
    paths = [make("low", 80), make("best", 160), make("close", 157, seed=1), make("worst", 20)]
    board = load_board(paths)
    assert ranks(board) == {"best": 1, "close": 1, "low": 3, "worst": 4}
    assert [place.score.value for place in board.places] == [0.8, 0.785, 0.4, 0.1]


def test_a_small_gap_counts_where_the_same_questions_differ(make: Make) -> None:
    better, subset = make("better", 160), make("subset", 140)  # of one seed: all that it has right, the other has too
    assert ranks(load_board([better, subset])) == {"better": 1, "subset": 2}


def test_the_order_in_which_runs_are_named_is_no_matter(make: Make) -> None:
    paths = [make(f"m{n}", 100 + 6 * n, seed=n) for n in range(5)]
    assert load_board(paths).places == load_board(paths[::-1]).places


def test_other_protocols_and_splits_stand_apart_with_the_reason(make: Make) -> None:
    paths = [make("one", 90), make("two", 80), make("newer", 199, version=2), make("part", 90, questions=150)]
    board = load_board(paths)
    assert set(ranks(board)) == {"one", "two"}
    reasons = {Path(name).name: reason for name, reason in board.apart}
    assert "protocol own v2, not own v1" in reasons["newer"]
    assert "split" in reasons["part"]
    assert all(reason in text for text in (board_text(board, 2000),) for reason in reasons.values())


def test_records_without_a_score_are_not_ranked(make: Make) -> None:
    known, unknown = make("known", 90), make("unknown", 90)
    (unknown / "score.json").unlink()
    assert "no score.json" in load_board([known, unknown]).apart[0][1]
    with pytest.raises(ValueError, match=r"no score\.json"):
        load_board([unknown])


def test_lost_records_are_named_and_not_ranked(make: Make) -> None:
    whole, torn = make("whole", 90), make("torn", 90)
    lines = (torn / "real.jsonl").read_bytes().splitlines(keepends=True)
    (torn / "real.jsonl").write_bytes(b"".join(lines[:-3]))
    assert "3 only in the first" in load_board([whole, torn]).apart[0][1]


def test_one_run_is_a_board_of_one(make: Make) -> None:
    board = make_board([load_run(make("only", 90))])
    assert [(place.rank, place.behind) for place in board.places] == [(1, None)]


@pytest.mark.parametrize("change", [["--metric", "iou"], ["--out", "board.txt"]])
def test_what_cannot_be_done_is_refused_in_words(
    make: Make, change: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["leaderboard", str(make("a", 90)), *change]) == 1
    assert "expected" in capsys.readouterr().err


def test_a_run_is_named_once(make: Make) -> None:
    path = make("a", 90)
    with pytest.raises(ValueError, match="twice"):
        load_board([path, path.parent / "." / "a"])


def test_the_command_leaves_three_forms(make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [str(make("a<b>", 90)), str(make("b|c", 150))]
    assert main(["leaderboard", *paths, "--out", str(tmp_path / "out" / "board.html")]) == 0
    values = json.loads((tmp_path / "out" / "board.json").read_text())
    assert [place["rank"] for place in values["places"]] == [1, 2]
    assert "a<b>" not in (tmp_path / "out" / "board.html").read_text()
    assert "Leaderboard of own v1" in capsys.readouterr().out
    rows = [line for line in (tmp_path / "out" / "board.md").read_text().splitlines() if line.startswith("|")]
    assert len({line.replace("\\|", "").count("|") for line in rows}) == 1


def test_the_page_loads_nothing(make: Make) -> None:
    class Links(HTMLParser):
        found: list[str] = []  # noqa: RUF012

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.found += [tag] if tag == "script" else []
            self.found += [value or "" for name, value in attrs if name in ("src", "href")]

    board = load_board([make("a", 90), make("b", 20)])
    reader = Links()
    reader.feed(board_page(board))
    assert reader.found == []
    assert board_markdown(board).startswith("# Leaderboard of own v1")
    with pytest.raises(ValueError, match="banner"):
        board_page(board, " ")


def test_a_copied_run_ties_with_itself(make: Make, tmp_path: Path) -> None:
    first = make("a", 90)
    shutil.copytree(first, tmp_path / "copy")
    board = load_board([first, tmp_path / "copy"])
    assert ranks(board) == {"a": 1, "copy": 1}
    assert board.places[1].p_holm == 1.0
