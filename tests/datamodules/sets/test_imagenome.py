"""Chest ImaGenome: boxes in original pixels, findings that hold, comparisons with one direction."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from medvlm.datamodules.sets import LoadReport
from medvlm.datamodules.sets.imagenome import load_imagenome, load_imagenome_gold
from medvlm.datamodules.sets.imagenome_graph import silver_graph
from medvlm.datamodules.sets.records import UnusableRecordError
from medvlm.study import Sample, SampleError

IMAGENOME = SimpleNamespace(**runpy.run_path(str(Path(__file__).parent / "releases" / "_imagenome.py")))


@pytest.fixture(params=[True, False], ids=["zip", "folder"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    IMAGENOME.silver(tmp_path, request.param)
    IMAGENOME.metadata(tmp_path)
    return tmp_path


def asked(root: Path, kind: Any, **options: Any) -> list[Sample]:
    return list(load_imagenome(root, "test", ask=kind, **options))


def test_a_box_is_a_share_of_the_original_image_not_of_the_padded_picture(root: Path) -> None:
    (sample,) = asked(root, "box")
    assert sample.answer == "0.50 0.10 1.00 1.00"  # x 1528 to 3056 of 3056, y 254.4 to 2544 of 2544
    assert sample.question == "Locate the left lung, which shows lung opacity."
    assert sample.images[0].path == root / "files/p10/p10000032/s50000002/now.jpg"
    assert sample.group == "10000032"


def test_findings_that_contradict_or_are_none_are_not_asked_for(root: Path) -> None:
    answers = {(s.extra["region"], s.extra["finding"]): s.answer for s in asked(root, "presence")}
    assert answers == {
        ("left lung", "lung opacity"): "yes",
        ("left lung", "pneumonia"): "no",
        ("right lung", "pneumothorax"): "no",
        ("unknown", "chest tube"): "yes",
    }


def test_a_comparison_shows_the_earlier_image_first_and_has_one_direction(root: Path) -> None:
    samples = asked(root, ("comparison",))
    assert [sample.answer for sample in samples] == ["worsened", "no change"]
    assert samples[0].options == ("improved", "no change", "worsened")
    assert [image.path.name for image in samples[0].images] == ["before.jpg", "now.jpg"]
    assert [image.path.parent.name for image in samples[0].images] == ["s50000001", "s50000002"]
    assert samples[0].question.startswith("The first image is the earlier one. How has lung opacity in the left lung")


def test_images_of_gold_patients_and_without_a_graph_are_counted(root: Path) -> None:
    report = LoadReport()
    asked(root, "box", report=report)
    assert report.skipped == {"image of a patient of the gold set": 1, "no scene graph": 1}


def test_gold_gives_the_same_kinds_of_questions(tmp_path: Path) -> None:
    IMAGENOME.gold(tmp_path)
    IMAGENOME.metadata(tmp_path)
    samples = list(load_imagenome_gold(tmp_path, "test"))
    assert [(sample.kind, sample.answer) for sample in samples] == [
        ("closed", "yes"),
        ("closed", "no"),
        ("box", "0.49 0.12 0.88 0.90"),
        ("choice", "worsened"),
    ]
    assert samples[3].extra["finding"] == "lung opacity"
    with pytest.raises(ValueError, match="no train split"):
        load_imagenome_gold(tmp_path, "train")


def test_without_the_metadata_table_there_are_no_sizes_and_no_samples(root: Path, tmp_path: Path) -> None:
    (root / "mimic-cxr-2.0.0-metadata.csv").unlink()
    with pytest.raises(FileNotFoundError, match="metadata"):
        asked(root, "box")
    IMAGENOME.metadata(tmp_path / "mimic")
    assert len(asked(root, "box", tables=tmp_path / "mimic")) == 1


def test_an_image_that_the_table_does_not_know_is_counted(root: Path) -> None:
    table = root / "mimic-cxr-2.0.0-metadata.csv"
    table.write_text("".join(line for line in table.read_text().splitlines(True) if not line.startswith("before")))
    report = LoadReport()
    with pytest.raises(SampleError, match="image is not in MIMIC-CXR-JPG's metadata table"):
        asked(root, "comparison", report=report)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"objects": 3}'])
def test_a_file_that_is_no_scene_graph_is_counted(tmp_path: Path, text: str) -> None:
    IMAGENOME.silver(tmp_path, zipped=False)
    IMAGENOME.metadata(tmp_path)
    (tmp_path / "silver_dataset/scene_graph/now_SceneGraph.json").write_text(text)
    with pytest.raises(SampleError, match=r"scene graph (is no valid JSON|has no list of objects)"):
        asked(tmp_path, "box")


def test_a_broken_zip_is_named(tmp_path: Path) -> None:
    IMAGENOME.silver(tmp_path)
    IMAGENOME.metadata(tmp_path)
    (tmp_path / "silver_dataset/scene_graph.zip").write_bytes(b"PK")
    with pytest.raises(SampleError, match=r"scene_graph\.zip: expected the zip of scene graphs"):
        asked(tmp_path, "box")


def test_strange_parts_of_a_graph_do_no_harm_but_a_broken_box_is_refused() -> None:
    whole = IMAGENOME.graph()
    whole["attributes"] += [{"attributes": [[None, "a|b", "x|yes|y|z"]], "bbox_name": None}, "text"]
    whole["attributes"] += [{"attributes": 7, "bbox_name": "left lung"}]
    whole["relationships"] = [{"attributes": 7, "relationship_names": 7}]
    assert len(silver_graph(json.loads(json.dumps(whole)), "now").seen) == 5
    whole["objects"][0]["original_x1"] = "left"
    with pytest.raises(UnusableRecordError, match="box is not four numbers"):
        silver_graph(whole, "now")


def test_an_unknown_kind_of_question_is_named(root: Path) -> None:
    with pytest.raises(ValueError, match="did you mean 'box'"):
        asked(root, "boxes")
