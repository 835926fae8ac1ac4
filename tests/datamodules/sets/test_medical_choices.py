"""OmniMedVQA, MedXpertQA, PathMMU and the text questions: how options and answers are written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from medvlm.datamodules.sets import LoadReport, load_set
from medvlm.datamodules.sets.choices import lettered_options, option_at
from medvlm.datamodules.sets.medmcqa import load_medmcqa
from medvlm.datamodules.sets.medqa import load_medqa
from medvlm.datamodules.sets.omnimed import load_omnimed
from medvlm.datamodules.sets.path_mmu import load_path_mmu
from medvlm.datamodules.sets.records import UnusableRecordError

Released = Callable[[str], Path]


def test_omnimed_matches_the_answer_without_punctuation_and_reads_the_odd_key(released: Released) -> None:
    samples = {sample.id[-1]: sample for sample in load_omnimed(released("omnimed"), "test")}
    assert samples["1"].answer == "X-ray"
    assert samples["1"].options == ("X-ray", "Electrocardiogram (ECG)")
    assert samples["1"].extra["gt_answer"] == "x_ray."
    assert [samples[key].categories["modality"] for key in "0124"] == [
        "CT(Computed Tomography)",
        "X-Ray",
        "MR (Magnetic Resonance Imaging)",
        "OCT (Optical Coherence Tomography)",
    ]


def test_omnimed_is_divided_by_image_where_a_share_is_trained_on(released: Released) -> None:
    root = released("omnimed")
    sides = {side: list(load_omnimed(root, side, train_share=0.5)) for side in ("train", "test", "all")}
    assert {sample.split for sample in sides["train"]} == {"train"}
    images = [{sample.group for sample in sides[side]} for side in ("train", "test")]
    assert all(images)
    assert images[0].isdisjoint(images[1])
    assert len(sides["train"]) + len(sides["test"]) == len(sides["all"]) == len(list(load_omnimed(root, "test")))
    with pytest.raises(ValueError, match="no train split"):
        list(load_omnimed(root, "train"))
    with pytest.raises(ValueError, match="expected a share"):
        list(load_omnimed(root, "test", train_share=1.5))


def test_omnimed_in_a_folder_of_its_own_and_the_restricted_part(released: Released, tmp_path: Path) -> None:
    root = released("omnimed")
    (tmp_path / "outer").mkdir()
    root.rename(tmp_path / "outer" / "OmniMedVQA")
    (first, *_) = load_omnimed(tmp_path / "outer", "test")
    assert first.images[0].path.is_file()
    with pytest.raises(FileNotFoundError, match="Restricted-access"):
        load_omnimed(tmp_path / "outer", "test", part="restricted")


def test_medxpert_shows_its_options_once_and_all_images(released: Released) -> None:
    _, second = load_set("medxpert_mm", released("medxpert_mm"), "test")
    assert second.question == "What is the most probable diagnosis?"
    assert second.options == ("Erythema infectiosum", "Cutis marmorata", "Erythema ab igne")
    assert [image.path.name for image in second.images] == ["MM-0-a.jpeg", "MM-1-a.jpeg"]
    assert "Answer Choices" in second.extra["question"]


def test_path_mmu_finds_a_picture_by_its_source_and_takes_letters_off(released: Released) -> None:
    root = released("path_mmu")
    atlas, pubmed, _ = load_path_mmu(root, "test")
    assert atlas.images[0].path == root / "books_set" / "images" / "5759734a.png"
    assert (atlas.answer, pubmed.options) == ("Both A and B", ("Normal", "Tumour"))
    assert [sample.categories["part"] for sample in load_path_mmu(root, "test", parts="PubMed")] == ["PubMed"] * 2
    assert [sample.id for sample in load_path_mmu(root, "test", tiny=True)] == ["Atlas-test-0"]
    with pytest.raises(ValueError, match="did you mean 'Atlas'"):
        list(load_path_mmu(root, "test", parts=("Atlass",)))


def test_medmcqa_counts_from_1_in_lines_and_from_0_in_parquet(released: Released, tmp_path: Path) -> None:
    lines = list(load_medmcqa(released("medmcqa"), "validate"))
    assert [sample.answer for sample in lines] == ["Vitamin B12", "Vitamin C"]
    assert lines[0].rationale.startswith("It is found")
    pa, pq = (pytest.importorskip(name) for name in ("pyarrow", "pyarrow.parquet"))
    columns = {key: [lines[0].extra[key]] for key in ("id", "question", "opa", "opb", "opc", "opd", "exp")}
    (tmp_path / "hf" / "data").mkdir(parents=True)
    pq.write_table(pa.table({**columns, "cop": [2]}), tmp_path / "hf" / "data" / "validation-00000-of-00001.parquet")
    (sample,) = load_medmcqa(tmp_path / "hf", "validate")
    assert sample.answer == "Vitamin B12"
    with pytest.raises(ValueError, match="no test split"):
        load_medmcqa(tmp_path / "hf", "test")


def test_text_questions_have_no_images_and_a_group_each(released: Released) -> None:
    for name, split in (("medqa", "test"), ("pubmedqa", "test"), ("medvlthinker", "train"), ("medxpert_text", "test")):
        report = LoadReport()
        samples = list(load_set(name, released(name), split, report=report))
        assert all(sample.images == () for sample in samples)
        assert len({sample.group for sample in samples}) == len(samples)
        assert report.absent_images == 0


def test_medqa_in_its_copy_without_folders_and_with_five_options(released: Released, tmp_path: Path) -> None:
    root = released("medqa")
    found = root / "questions" / "US" / "4_options" / "phrases_no_exclude_test.jsonl"
    found.rename(root / found.name)
    assert len(list(load_medqa(root, "test"))) == 2
    with pytest.raises(FileNotFoundError, match=r"questions/US/test\.jsonl"):
        load_medqa(root, "test", choices=5)
    with pytest.raises(ValueError, match="expected 4 or 5"):
        load_medqa(root, "test", choices=3)  # type: ignore[arg-type]


def test_pubmedqa_shows_the_abstract_and_divides_by_the_official_test(released: Released) -> None:
    root = released("pubmedqa")
    first, second = load_set("pubmedqa", root, "test")
    assert first.question.startswith("Background.\nResults.\n\nDo preoperative")
    assert second.answer == "maybe"
    assert [sample.id for sample in load_set("pubmedqa", root, "train")] == ["17208539"]
    (root / "data" / "test_ground_truth.json").unlink()
    with pytest.raises(FileNotFoundError, match="test_ground_truth"):
        load_set("pubmedqa", root, "test")


def test_medvlthinker_keeps_how_often_a_model_answered(released: Released) -> None:
    samples = list(load_set("medvlthinker", released("medvlthinker"), "train"))
    assert [sample.extra["pass_count"] for sample in samples] == [3, 16]
    assert samples[0].rationale == "It acts at once."


@pytest.mark.parametrize("choices", [{"A": "x", "C": "y"}, {"A": "x", "B": ""}, ["x", "y"], None, {"A": 1, "B": 2}])
def test_options_that_are_no_object_by_letter_are_refused(choices: object) -> None:
    with pytest.raises(UnusableRecordError):
        lettered_options(choices, "1")


@pytest.mark.parametrize("letter", ["C", "", "AB", "1", "?"])
def test_a_letter_that_names_no_option_is_refused(letter: str) -> None:
    with pytest.raises(UnusableRecordError, match="no letter of the 2 options"):
        option_at(letter, ("x", "y"), "1")


def test_an_image_path_that_leads_out_of_the_set_is_left_out(released: Released) -> None:
    root, report = released("omnimed"), LoadReport()
    path = root / "QA_information" / "Open-access" / "Chest CT Scan.json"
    records = json.loads(path.read_text())
    records[0]["image_path"] = "Images/../../secret.png"
    path.write_text(json.dumps(records))
    list(load_omnimed(root, "test", report=report))
    assert report.skipped["image path leads out of the set's folder"] == 1
