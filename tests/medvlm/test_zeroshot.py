"""Texts as classes: probabilities by hand, heads that come back as they were saved, descriptors for every finding."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import cosine_similarity

from medvlm.descriptors import DESCRIPTORS, NAMES
from medvlm.evaluation.labeler import FINDINGS, label_report
from medvlm.heads import FILE, AlignmentHeads, load_heads, model_width, save_heads, study_tokens, text_ids, text_states
from medvlm.study import WeightsError
from medvlm.zeroshot import Aligned


@pytest.fixture
def aligned(tiny: Any) -> Aligned:
    model, processor = tiny
    return Aligned(model.eval(), processor, AlignmentHeads(model_width(model), 16, seed=1).eval())


@pytest.fixture
def images() -> list[torch.Tensor]:
    return list(torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(0)))


def test_an_image_is_at_the_start_the_mean_of_its_tokens(aligned: Aligned, images: list[torch.Tensor]) -> None:
    heads, (tokens,) = aligned.heads, study_tokens(aligned.model, aligned.processor, [images[:1]])
    mean = heads.image_map(heads.image_norm(tokens)).mean(0).detach()
    assert float(cosine_similarity(aligned.images(images[:1])[0], mean, dim=0)) == pytest.approx(1.0)


def test_a_batch_of_texts_is_read_as_each_alone(aligned: Aligned) -> None:
    texts = ["Nodule.", "Is there a nodule? No effusion on the left side.", "Normal heart.\nNo effusion."]
    torch.testing.assert_close(aligned.texts(texts), torch.cat([aligned.texts([text]) for text in texts]))


def test_a_sentence_has_the_same_tokens_wherever_it_stands(aligned: Aligned) -> None:
    tokenizer = aligned.processor.tokenizer
    alone, last = (text_ids(tokenizer, text) for text in ("No effusion.", "Normal heart. No effusion."))
    (first, end), (begin, stop) = alone.sentences[0], last.sentences[1]
    assert alone.ids[first:end] == last.ids[begin:stop]
    assert last.ids[-1] == tokenizer.eos_token_id
    assert len(last.sentences) == 2


def test_states_are_those_of_the_models_own_forward(aligned: Aligned) -> None:
    text = text_ids(aligned.processor.tokenizer, "Normal heart. No effusion.")
    other = text_ids(aligned.processor.tokenizer, "Nodule. " * 9)
    found = text_states(aligned.model, [text, other], aligned.processor.tokenizer.pad_token_id)[0]
    ids = torch.tensor([text.ids])
    wanted = aligned.model(input_ids=ids, output_hidden_states=True).hidden_states[-1][0]
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)


def test_classes_are_a_softmax_of_scaled_cosines(aligned: Aligned, images: list[torch.Tensor]) -> None:
    found = aligned.classify(images, {"normal": ["Normal heart."], "nodule": ["Nodule."]})
    texts = aligned.texts(["Normal heart.", "Nodule."])
    cosines = cosine_similarity(aligned.images(images)[:, None], texts[None], dim=-1)
    torch.testing.assert_close(found, (cosines / 0.07).softmax(1), atol=1e-5, rtol=1e-4)


def test_a_finding_is_the_geometric_mean_of_its_observations(aligned: Aligned, images: list[torch.Tensor]) -> None:
    (found,) = aligned.explain(images[:1], {"lesion": ["nodule", "round effusion"]})[0]
    image = aligned.images(images[:1])[0]
    stated, denied = [], []
    for phrase in ("nodule", "round effusion"):
        texts = aligned.texts([f"{phrase[0].upper()}{phrase[1:]}.", f"No {phrase}."])
        p = (texts @ image / 0.5).softmax(0).tolist()
        assert found.observations[phrase] == pytest.approx(p[0], abs=1e-5)
        stated.append(p[0])
        denied.append(p[1])
    there, absent = math.sqrt(math.prod(stated)), math.sqrt(math.prod(denied))
    assert found.probability == pytest.approx(there / (there + absent), abs=1e-5)


def test_several_images_are_one_study(aligned: Aligned, images: list[torch.Tensor]) -> None:
    assert aligned.images([images[:2], images[2]]).shape == (2, 16)
    single = aligned.images(images)
    assert not torch.allclose(aligned.images([images[:2]])[0], single[0])
    assert aligned.images(single) is single


def test_a_file_is_read_as_the_model_was_taught(aligned: Aligned, tmp_path: Path) -> None:
    import numpy as np
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 256, (40, 40), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    found = aligned.images([tmp_path / "a.png"])
    torch.testing.assert_close(found, aligned.images([aligned.processor.image_processor.pixels(pixels)]))


def test_saved_heads_come_back(aligned: Aligned, images: list[torch.Tensor], tmp_path: Path) -> None:
    folder = tmp_path / "model"
    aligned.model.save_pretrained(folder)
    aligned.processor.save_pretrained(folder)
    aligned.heads.pool = "mean"
    save_heads(aligned.heads, folder)
    again = Aligned.load(folder)
    assert again.heads.pool == "mean"
    torch.testing.assert_close(again.retrieve(images, ["Nodule."]), aligned.retrieve(images, ["Nodule."]))


def test_heads_that_are_not_there_or_of_another_model_are_named(aligned: Aligned, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="objective: contrastive"):
        load_heads(tmp_path)
    save_heads(AlignmentHeads(8, 4), tmp_path)
    with pytest.raises(WeightsError, match=r"width 8, the model's is 160"):
        load_heads(tmp_path, aligned.model)
    (tmp_path / FILE).write_bytes(b"no weights")
    with pytest.raises(WeightsError, match="damaged"):
        load_heads(tmp_path)


def test_bad_input_is_named(aligned: Aligned, images: list[torch.Tensor]) -> None:
    with pytest.raises(ValueError, match="at least two"):
        aligned.classify(images, {"nodule": ["Nodule."]})
    with pytest.raises(ValueError, match="at least one, with an observation"):
        aligned.explain(images, {"nodule": []})
    with pytest.raises(ValueError, match="no text"):
        aligned.retrieve(images, [])
    with pytest.raises(ValueError, match="no image"):
        aligned.retrieve([], ["Nodule."])
    with pytest.raises(ValueError, match="is empty"):
        aligned.texts([" \n"])


def test_every_finding_has_a_name_and_observations() -> None:
    assert set(DESCRIPTORS) == set(NAMES) == set(FINDINGS)
    assert all(len(several) >= 3 and len(set(several)) == len(several) for several in DESCRIPTORS.values())


@pytest.mark.parametrize("finding", sorted(set(FINDINGS) - {"Support Devices"}))
def test_the_labeler_reads_a_findings_name_as_that_finding(finding: str) -> None:
    assert label_report(f"{NAMES[finding]}.")[finding] == "present"
    assert label_report(f"No {NAMES[finding]}.")[finding] == "absent"
