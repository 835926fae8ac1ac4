"""The refusal probe: pictures that no answer fits, and answerers that refuse all, nothing, or by their input checks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pil

from medvlm.datamodules.cache import PixelCache
from medvlm.evaluation.probes.pictures import write_pictures
from medvlm.evaluation.probes.probe import Setting
from medvlm.evaluation.probes.refusal import PROBE
from medvlm.study import ImageError, ImageRef, RecipeMismatch, Sample

ALL, OWN = "all of these", "the set's own images"
COMPUTED = ["gradient", "noise", "checkerboard", "page of text", "blank page"]


def shows_a_probe(sample: Sample) -> bool:
    return "picture" in sample.categories


def test_who_answers_everything_refuses_nothing(make_engine: Any, presence: Any, probed: Any, rows: Any) -> None:
    found = rows(probed(make_engine(answer=lambda *_: "No"), presence, "refusal"))
    assert list(found) == [*COMPUTED, "tissue under the microscope", ALL, OWN]
    assert found[ALL][:5] == (0.0, 0.0, 0.0, 1.0, 0.0)
    assert found[ALL][6] == 12
    assert found[ALL][5] == pytest.approx(np.exp(-0.2))


def test_who_refuses_what_it_should_gets_one(make_engine: Any, presence: Any, probed: Any, rows: Any) -> None:
    engine = make_engine(
        answer=lambda sample, _: "This is no use: it cannot be determined." if shows_a_probe(sample) else "no"
    )
    found = rows(probed(engine, presence, "refusal"))
    assert (found[ALL][0], found[ALL][2], found[ALL][5]) == (1.0, 1.0, None)
    assert (found[OWN][0], found[OWN][3]) == (0.0, 1.0)


def test_who_refuses_always_is_shown_to_refuse_the_sets_own_images(
    make_engine: Any, presence: Any, probed: Any, rows: Any
) -> None:
    found = rows(probed(make_engine(answer=lambda *_: "I'm sorry, I can't help."), presence, "refusal"))
    assert found[ALL][0] == found[OWN][0] == 1.0


@pytest.mark.parametrize(("error", "refused"), [(RecipeMismatch, 1.0), (ImageError, 1.0), (FileNotFoundError, 0.0)])
def test_input_checks_refuse_and_lost_files_do_not(
    make_engine: Any, presence: Any, probed: Any, rows: Any, error: type[Exception], refused: float
) -> None:
    def pixels(ref: ImageRef) -> torch.Tensor:
        raise error("no radiograph")

    section = probed(make_engine(), presence, "refusal", pixels=pixels)
    found = rows(section)
    assert (found[ALL][0], found[ALL][1], found[ALL][4]) == (refused, refused, 1 - refused)
    assert any("could not be shown" in note for note in section.notes) is (refused == 0)


def test_thoughts_do_not_count_and_an_option_may_decline(make_engine: Any, probed: Any, rows: Any) -> None:
    options = ("left", "right", "cannot be determined")
    image = (ImageRef(Path("1.png")),)
    samples = [Sample("1", image, "Which lung is affected?", "left", "choice", options=options, group="p")]
    engine = make_engine(answer=lambda *_: "<think>I cannot tell.</think><answer>A</answer>")
    assert rows(probed(engine, samples, "refusal"))[ALL][0] == 0.0
    assert rows(probed(make_engine(answer=lambda *_: "C"), samples, "refusal"))[ALL][0] == 1.0


def test_the_models_own_checks_take_gray_pictures_and_refuse_tissue(
    make_engine: Any, presence: Any, probed: Any, rows: Any
) -> None:
    """The recipe of radiographs takes planes of gray: a stained tile is refused before the model sees it."""
    from medvlm.recipes import RECIPES

    recipe = RECIPES["cxr"].model_copy(update={"size": (8, 8)})
    pixels = PixelCache(lambda image: torch.from_numpy(recipe.apply(image)))
    found = rows(probed(make_engine(answer=lambda *_: "No"), presence, "refusal", pixels=pixels))
    assert [found[name][1] for name in COMPUTED] == [0.0] * 5
    assert found["tissue under the microscope"][:4] == (1.0, 1.0, 0.0, 0.0)


def test_a_picture_is_read_once_for_all_its_questions(make_engine: Any, presence: Any, probed: Any) -> None:
    read: list[Path] = []

    def pixels(ref: ImageRef) -> torch.Tensor:
        read.append(ref.path)
        return torch.zeros(3, 4, 4)

    probed(make_engine(), presence, "refusal", pixels=pixels)
    assert len(read) == len(set(read)) == 6


def test_another_part_of_the_body_is_shown_where_the_set_has_one(make_closed: Any, tmp_path: Path) -> None:
    organs = ("CHEST", "HEAD", "ABD")
    samples = [
        make_closed(n, f"Is the {organ} mass large?", "no", categories={"organ": organ})
        for n, organ in enumerate(organs)
    ]
    derived = PROBE.derive(samples, Setting(tmp_path)).samples
    shown = {
        s.categories["of"][0]: s.images[0].path.stem for s in derived if s.categories["picture"].startswith("another")
    }
    assert shown == {"0": "1", "1": "0", "2": "1"}


@pytest.mark.parametrize(
    "question", ["Is this a CT scan?", "Is the image normal?", "What plane is this?", "图像是什么模态\uff1f"]
)
def test_questions_that_a_picture_may_answer_are_not_asked(make_engine: Any, probed: Any, question: str) -> None:
    section = probed(make_engine(), [Sample("1", (ImageRef(Path("1.png")),), question, "no", "closed")], "refusal")
    assert section.rows == ()
    assert "nothing to ask" in section.notes[0]


@pytest.mark.parametrize("chest", [True, False])
def test_pictures_are_the_same_every_time_and_what_they_say(tmp_path: Path, chest: bool) -> None:
    first = {name: path.read_bytes() for name, path in write_pictures(tmp_path / "a", chest=chest).items()}
    again = {name: path.read_bytes() for name, path in write_pictures(tmp_path / "b", chest=chest).items()}
    assert first == again
    kinds = {name: Pil.open(path).mode for name, path in write_pictures(tmp_path / "a", chest=chest).items()}
    assert kinds == {
        **dict.fromkeys(COMPUTED, "L"),
        **({"tissue under the microscope": "RGB"} if chest else {"chest radiograph": "L"}),
    }
    assert np.ptp(np.asarray(Pil.open(tmp_path / "a" / "blank-page.png"))) == 0
    assert np.asarray(Pil.open(tmp_path / "a" / "noise.png")).std() > 70
