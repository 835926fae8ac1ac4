"""The tissue phantom as files and as a set: written whole, split by patient, answers from the areas, read as slides."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pil

from medvlm.datamodules.phantoms.roots import pool_of
from medvlm.datamodules.phantoms.specimen import AREAS, sample_specimens
from medvlm.datamodules.phantoms.stain import render_tissue
from medvlm.datamodules.phantoms.tissue_questions import SKILLS, Asked, ask_tissue, write_tissue_report
from medvlm.datamodules.phantoms.tissue_set import KINDS_OF_ANSWER, load_tissue, make_tissue
from medvlm.datamodules.readers import read_image
from medvlm.datamodules.sets import SETS, LoadReport, load_set
from medvlm.datamodules.sets.phantom import make_phantom
from medvlm.study import SampleError

SPECIMENS = list(sample_specimens(2, 1500))
ASKED = [(s, asked) for s in SPECIMENS for asked in ask_tissue(s, s.rng(4), KINDS_OF_ANSWER, 5)]


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tissue(tmp_path_factory.mktemp("tissue") / "root", patients=30, seed=3, size=64, slides=1)


def test_tiles_are_the_pixels_of_the_specimens(root: Path) -> None:
    first = next(sample_specimens(3, 1))
    image = read_image(root / "tiles" / f"{first.patient}.png")
    assert np.array_equal(image.array, render_tissue(first, 64).pixels)
    assert "NOT A PATIENT" in Pil.open(root / "tiles" / f"{first.patient}.png").text["Description"]  # type: ignore[attr-defined]


def test_splits_are_by_patient_and_the_same_in_every_root(root: Path) -> None:
    groups = {split: {s.group for s in load_tissue(root, split)} for split in ("train", "validate", "test")}
    assert groups["train"].isdisjoint(groups["test"] | groups["validate"])
    assert groups["test"] <= {f"PHANTOM-T{i:06d}" for i in range(30) if pool_of(i) == "test"}
    assert {s.group for s in load_tissue(root, "train", pool="rl")} < groups["train"]


def test_ids_are_unique_and_images_exist(root: Path) -> None:
    samples = list(load_tissue(root, "train"))
    assert len({sample.id for sample in samples}) == len(samples) > 60
    assert all(image.path.is_file() for sample in samples for image in sample.images)
    assert {sample.kind for sample in samples} == set(KINDS_OF_ANSWER)


def test_a_root_is_made_once_and_another_recipe_refused(root: Path) -> None:
    before = (root / "manifest.jsonl").stat().st_mtime_ns
    make_tissue(root, patients=30, seed=3, size=64, slides=1)
    assert (root / "manifest.jsonl").stat().st_mtime_ns == before
    with pytest.raises(FileExistsError, match="seed=3, wanted 4"):
        make_tissue(root, patients=30, seed=4, size=64, slides=1)


def test_the_slide_reader_reads_the_slide(root: Path) -> None:
    pytest.importorskip("openslide", reason="no openslide: pip install 'medvlm[wsi]'")
    from medvlm.datamodules.readers.slide import read_slide

    path = root / "slides" / "PHANTOM-T000000.tif"
    slide = read_slide(path, tiles=4)
    assert (slide.size, slide.slide_mpp) == ((2240, 1792), (0.5, 0.5))
    whole = np.asarray(Pil.open(path))
    for tile in slide.tiles:
        x0, y0, x1, y1 = tile.box
        np.testing.assert_array_equal(tile.image.array, whole[y0:y1, x0:x1])
    sample = next(load_tissue(root, "train", modality="slide", tiles=2))
    shapes = [read_image(image.path, region=image.region).array.shape for image in sample.images]
    assert shapes == [(448, 560, 3), (448, 448, 3), (448, 448, 3)]


def _truth(specimen: Any, asked: Asked) -> str:
    """The answer, worked out from the areas alone."""
    area, kinds = specimen.find(asked.finding), [one.kind for one in specimen.areas]
    yes = {True: "Yes", False: "No"}
    if asked.name in ("presence_closed", "negation_closed"):
        return yes[(asked.finding in kinds) == (asked.name == "presence_closed")]
    if asked.name == "presence_choice":
        return kinds[0] if kinds else "no finding"
    if asked.name == "differential_choice":
        names = {"necrosis": "infarct", "infiltrate": "inflammation"}
        return "normal tissue" if not kinds else names.get(kinds[0]) or f"{area.grade}-grade tumour"
    answer: str = {
        "location_choice": lambda: f"{area.side} {area.zone}",
        "location_side": lambda: area.side,
        "geometric_size": lambda: area.size,
        "grading_open": lambda: area.grade,
        "grading_closed": lambda: yes[area.grade == "high"],
        "counting_mitoses": lambda: str(area.mitoses),
    }[asked.name]()
    return answer


def test_answers_follow_from_the_areas() -> None:
    assert {asked.skill for _, asked in ASKED} == {*SKILLS, "report"}
    for specimen, asked in ASKED:
        if asked.kind not in ("box", "report"):
            assert asked.answer == _truth(specimen, asked)
        if asked.kind == "choice":
            assert asked.options.count(asked.answer) == 1
            assert len(set(asked.options)) == 4


def test_guessing_the_most_frequent_answer_is_weak() -> None:
    answers: dict[str, Counter[str]] = defaultdict(Counter)
    for _, asked in ASKED:
        if asked.kind not in ("box", "report"):
            answers[asked.name][asked.answer] += 1
    for name, counts in answers.items():
        limit = 0.56 if len(counts) == 2 else 0.36
        assert max(counts.values()) / sum(counts.values()) < limit, name


def test_about_five_questions_an_image_with_findings() -> None:
    counts = Counter(id(specimen) for specimen, _ in ASKED)
    assert 4 < np.mean([counts[id(s)] for s in SPECIMENS if s.areas]) < 6


def test_reports_name_every_area_and_deny_the_others() -> None:
    nouns = {"tumour": "tumour nest", "necrosis": "necrosis", "infiltrate": "lymphocytic infiltrate"}
    for specimen in SPECIMENS[:200]:
        sentences = write_tissue_report(specimen).split("DIAGNOSIS")[0].removeprefix("MICROSCOPY: ").split(". ")
        denied = " ".join(sentence for sentence in sentences if sentence.startswith("No "))
        said = " ".join(sentence for sentence in sentences if not sentence.startswith("No ")).lower()
        for kind in AREAS:
            there = specimen.find(kind) is not None
            assert (nouns[kind] in said) == there
            assert (nouns[kind] in denied) != there
    assert "no mitoses" in " ".join(write_tissue_report(s) for s in SPECIMENS)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"split": "dev"}, "train, validate or test"),
        ({"modality": "cr"}, "tile or slide"),
        ({"tiles": 3}, "modality='slide'"),
        ({"kinds": ("essay",)}, "choice, closed, open, box, number, report"),
        ({"pool": "dpo"}, "sft, rl or None"),
        ({"per_image": 0}, "more than 0"),
    ],
)
def test_bad_arguments_name_what_is_expected(root: Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        list(load_tissue(root, **({"split": "train"} | options)))


def test_missing_roots_and_slides_name_the_call_that_makes_them(tmp_path: Path) -> None:
    with pytest.raises(SampleError, match="make_tissue"):
        list(load_tissue(tmp_path / "none", "train"))
    make_tissue(tmp_path / "root", patients=2, size=32)
    with pytest.raises(SampleError, match="slides=10"):
        list(load_tissue(tmp_path / "root", "train", modality="slide"))


@pytest.mark.parametrize("options", [{"patients": 0}, {"slides": 3}, {"size": 8}])
def test_bad_recipes_leave_no_root(tmp_path: Path, options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="or more"):
        make_tissue(tmp_path / "root", **({"patients": 2} | options))  # type: ignore[arg-type]
    assert not (tmp_path / "root").exists()


def test_hard_roots_say_their_knobs(tmp_path: Path) -> None:
    make_tissue(tmp_path / "root", patients=1, size=32, hardness={"noise": 2})
    assert json.loads((tmp_path / "root" / "phantom.json").read_text())["hardness"] == {"noise": 2}


def test_it_is_a_set_of_its_own_with_a_card(tmp_path: Path) -> None:
    root = make_phantom("tissue", tmp_path / "root", patients=12, size=32)
    report = LoadReport()
    samples = list(load_set("tissue", root, "train", kinds=("number", "closed"), report=report))
    assert report.kept == len(samples) > 5
    assert {sample.kind for sample in samples} == set(SETS["tissue"].kinds) & {"number", "closed"}
    with pytest.raises(ValueError, match="tiles"):
        load_set("tissue", root, "train", tile=3)
    with pytest.raises(ValueError, match="thorax and tissue"):
        make_phantom("brain", tmp_path / "brain")
