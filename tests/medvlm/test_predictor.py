"""Answers from any source of an image, the same from each; models found, refused and named."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

import medvlm
from medvlm.answer import Answer
from medvlm.asking import question_kind
from medvlm.identity import identify, weights_hash
from medvlm.predictor import Predictor, default_model, load

QUESTIONS = ["Is there a nodule?", "Which side is the effusion on?", "Is there an effusion?"]


@pytest.fixture(scope="module")
def predictor(model_folder: Path) -> Predictor:
    return load(model_folder, device="cpu")


@pytest.fixture
def pixels() -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).integers(0, 255, (40, 48), np.uint8)


def said(answer: Answer) -> tuple[str, float]:
    return answer.raw, round(answer.confidence, 6)


def test_file_array_and_picture_are_answered_alike(predictor: Predictor, pixels: Any, tmp_path: Path) -> None:
    picture = PIL.Image.fromarray(pixels)
    picture.save(tmp_path / "a.png")
    sources = [pixels, picture, tmp_path / "a.png", str(tmp_path / "a.png")]
    assert len({said(predictor.predict(one, QUESTIONS[0], max_new_tokens=6)) for one in sources}) == 1


def test_the_answer_depends_on_the_image(predictor: Predictor, pixels: Any) -> None:
    one, other = (predictor.predict(image, QUESTIONS[0], max_new_tokens=6) for image in (pixels, np.zeros_like(pixels)))
    assert said(one) != said(other)


def test_many_questions_are_answered_as_alone_from_one_read(
    predictor: Predictor, pixels: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = [said(predictor.predict(pixels, question, max_new_tokens=6)) for question in QUESTIONS]
    reads: list[int] = []
    encode = predictor.model.get_image_features

    def counted(pixel_values: Any) -> Any:
        reads.append(len(pixel_values))
        return encode(pixel_values=pixel_values)

    monkeypatch.setattr(predictor.model, "get_image_features", counted)
    together = predictor.predict(pixels, QUESTIONS, max_new_tokens=6)
    assert [text for text, _ in map(said, together)] == [text for text, _ in alone]
    assert [answer.confidence for answer in together] == pytest.approx([value for _, value in alone], abs=1e-5)
    assert reads == [1]


def test_several_images_are_shown_in_one_question(predictor: Predictor, pixels: Any) -> None:
    answer = predictor.predict([pixels, np.zeros_like(pixels)], QUESTIONS[0], max_new_tokens=3)
    assert len(answer.provenance.images) == 2
    assert said(answer) != said(predictor.predict(pixels, QUESTIONS[0], max_new_tokens=3))


def test_a_volume_is_shown_as_slices(predictor: Predictor, tmp_path: Path) -> None:
    nibabel: Any = pytest.importorskip("nibabel")
    volume = np.random.default_rng(0).integers(-1000, 1000, (20, 22, 9)).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(volume, np.diag([2.0, 2.0, 5.0, 1.0])), tmp_path / "ct.nii.gz")
    answer = predictor.predict(tmp_path / "ct.nii.gz", QUESTIONS[0], modality="CT", max_new_tokens=3)
    assert answer.provenance.images[0]["recipe"] == "ct"


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("Is there a nodule?", "closed"), ("does it look normal?", "closed"), ("Where is it?", "open"),
        ("Describe the findings.", "report"), ("Write the report.", "report"), ("Give the box of the nodule.", "box"),
        ("Island of bone?", "open"),
    ],
)  # fmt: skip
def test_the_kind_follows_from_the_words(question: str, kind: str) -> None:
    assert question_kind(question) == kind


def test_options_make_a_choice(predictor: Predictor, pixels: Any) -> None:
    answer = predictor.predict(pixels, "Which side?", options=["left", "right"], max_new_tokens=3)
    assert answer.kind == "choice"


@pytest.mark.parametrize(
    ("question", "options", "error"),
    [
        ("  ", {}, "question is empty"),
        ("Which?", {"kind": "yesno"}, "kind='yesno' is unknown"),
        ("Which?", {"kind": "choice"}, "0 options"),
        ("Which?", {"kind": "open", "options": ["a"]}, "only a choice, has options"),
        ("Which?", {"max_new_tokens": 0}, "max_new_tokens=0"),
    ],
)
def test_wrong_questions_are_refused(predictor: Predictor, question: str, options: Any, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        predictor.predict(np.zeros((8, 8), np.uint8), question, **options)


def test_no_image_is_refused(predictor: Predictor) -> None:
    with pytest.raises(medvlm.ImageError, match="no image in the list"):
        predictor.predict([], "Is there a nodule?")


def test_provenance_names_the_weights_by_their_hash_and_no_path(
    predictor: Predictor, model_folder: Path, pixels: Any
) -> None:
    answer = predictor.predict(pixels, QUESTIONS[0], max_new_tokens=3)
    assert (
        hashlib.sha256((model_folder / "model.safetensors").read_bytes()).hexdigest()[:12] == answer.provenance.weights
    )
    assert str(model_folder.parent) not in answer.to_json()
    assert "not for clinical use" in answer.provenance.warnings[0]
    assert answer.provenance.version == medvlm.__version__


def test_the_card_says_whether_to_reason_and_what_was_learned_from(
    model_folder: Path, tmp_path: Path, pixels: Any
) -> None:
    shutil.copytree(model_folder, tmp_path / "model")
    card = {"reasoning": True, "recipe": "cxr_r1", "trained_on": "thorax", "note": "weak labels"}
    (tmp_path / "model" / "medvlm.json").write_text(json.dumps(card))
    origin = load(tmp_path / "model", device="cpu").predict(pixels, QUESTIONS[0], max_new_tokens=2).provenance
    assert (origin.model, origin.decoding["reasoning"]) == ("cxr_r1", True)
    assert any("phantom" in warning for warning in origin.warnings)
    assert origin.warnings[-1] == "weak labels"


def test_a_model_without_a_card_is_named_by_its_run(model_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(model_folder, tmp_path / "mine" / "model")
    assert identify(tmp_path / "mine" / "model").name == "mine"
    assert identify(model_folder).name == "tiny"
    assert identify(model_folder).reasoning is False


def test_shards_have_one_hash_together(tmp_path: Path) -> None:
    (tmp_path / "model-1.safetensors").write_bytes(b"a")
    (tmp_path / "model-2.safetensors").write_bytes(b"b")
    joined = hashlib.sha256(b"a").hexdigest() + hashlib.sha256(b"b").hexdigest()
    assert weights_hash(tmp_path) == hashlib.sha256(joined.encode()).hexdigest()


@pytest.mark.parametrize("text", ["{", "[1]"])
def test_a_damaged_card_is_refused(model_folder: Path, tmp_path: Path, text: str) -> None:
    shutil.copytree(model_folder, tmp_path / "model")
    (tmp_path / "model" / "medvlm.json").write_text(text)
    with pytest.raises(medvlm.WeightsError, match=r"medvlm\.json"):
        load(tmp_path / "model")


def test_without_a_model_the_message_says_how_to_make_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MEDVLM_MODEL", raising=False)
    with pytest.raises(medvlm.WeightsError, match=r"tools/train\.py configs/cxr_r1\.yaml.*make train"):
        medvlm.predict(np.zeros((8, 8), np.uint8), "Is there a nodule?")


def test_the_newest_checkpoint_is_the_default(
    model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MEDVLM_MODEL", raising=False)
    for name, when in (("new", 2000), ("old", 1000)):
        shutil.copytree(model_folder, tmp_path / "checkpoints" / name / "model")
        os.utime(tmp_path / "checkpoints" / name / "model" / "model.safetensors", (when, when))
    (tmp_path / "checkpoints" / "unfinished" / "model").mkdir(parents=True)
    assert default_model() == Path("checkpoints/new/model")
    monkeypatch.setenv("MEDVLM_MODEL", "elsewhere")
    assert default_model() == "elsewhere"


def test_one_line_answers_and_keeps_the_model(model_folder: Path, monkeypatch: pytest.MonkeyPatch, pixels: Any) -> None:
    from medvlm import predictor as module

    monkeypatch.setenv("MEDVLM_MODEL", str(model_folder))
    module._kept.cache_clear()
    answers = [medvlm.predict(pixels, QUESTIONS[0], max_new_tokens=3) for _ in range(2)]
    assert said(answers[0]) == said(answers[1])
    assert module._kept.cache_info().misses == 1


class _Bomb:
    def __reduce__(self) -> Any:
        return (os.mkdir, ("exploded",))


def test_a_pickle_in_place_of_weights_is_refused_and_never_run(
    model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(model_folder, tmp_path / "model")
    (tmp_path / "model" / "model.safetensors").unlink()
    (tmp_path / "model" / "pytorch_model.bin").write_bytes(pickle.dumps(_Bomb()))
    with pytest.raises(medvlm.WeightsError, match="is a pickle"):
        load(tmp_path / "model")
    (tmp_path / "model" / "pytorch_model.bin").rename(tmp_path / "model" / "model.safetensors")
    with pytest.raises(medvlm.WeightsError, match="cannot be loaded"):
        load(tmp_path / "model")
    assert not (tmp_path / "exploded").exists()


def test_an_image_without_a_recipe_is_refused_with_the_reasons(tiny: Any, pixels: Any) -> None:
    from medvlm.identity import Identity
    from medvlm.recipes import RECIPES

    model, processor = tiny
    processor.image_processor.recipes = [RECIPES["ct"].model_dump(mode="json")]
    predictor = Predictor(model, processor, Identity("tiny", "0", False, "", ()))
    with pytest.raises(medvlm.RecipeMismatch, match=r"ct: modality is OT, expected CT"):
        predictor.predict(pixels, QUESTIONS[0])


def test_real_files_are_answered(predictor: Predictor, shared_data: Path) -> None:
    jpeg = next((shared_data / "vqa_rad" / "VQA_RAD Image Folder").glob("*.jpg"))
    dicom = shared_data / "dicom_pydicom_data" / "RG1_J2KI.dcm"
    for source, recipe in ((jpeg, "photo"), (dicom, "cxr")):
        answer = predictor.predict(source, "Is there a pleural effusion?", max_new_tokens=3)
        assert answer.provenance.images[0]["recipe"] == recipe
        assert 0 < answer.confidence <= 1


def test_the_tilted_uneven_head_is_refused_with_both_reasons_or_repaired(
    predictor: Predictor, shared_data: Path
) -> None:
    folder = shared_data / "ct_dicom_dcm_qa_ct" / "GE"
    with pytest.raises(medvlm.GeometryError, match=r"(?s)uneven spacing.*tilt"):
        predictor.predict(folder, "Is there a bleed?")
    answer = predictor.predict(folder, "Is there a bleed?", repair=True, max_new_tokens=3)
    notes = " ".join(answer.provenance.notes)
    assert "tilt" in notes
    assert "resampled" in notes


def test_a_text_that_is_called_dicom_is_named_as_what_it_is(predictor: Predictor, tmp_path: Path) -> None:
    (tmp_path / "letter.dcm").write_text("Dear colleague,")
    with pytest.raises(medvlm.ImageError, match="plain text") as caught:
        predictor.predict(tmp_path / "letter.dcm", "Is there a nodule?")
    assert "\n" not in str(caught.value)
