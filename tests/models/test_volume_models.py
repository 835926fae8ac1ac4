"""Composed models with a 3D encoder, alone or beside a 2D one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForImageTextToText

from medvlm.datamodules.phantoms.findings import sample_patient
from medvlm.datamodules.phantoms.render import render_volume
from medvlm.generation.engine import Ask, Engine
from medvlm.models import MedVLMProcessor, count_parameters, load_vlm, plan_vlm, tiny_decoder
from medvlm.models.encoders.volumes import list_volume_encoders, volume_encoder_spec
from medvlm.models.parts import checkpoint_activations
from medvlm.recipes import RECIPES
from medvlm.study import Image, ImageError, ImageRef, Sample

TINY = list_volume_encoders("*_tiny")
KEEP = {"kind": "linear"}
QUESTION = Sample("1", (ImageRef(Path("ct"), volume=True),), "Is there a nodule?", "yes", "closed")


@pytest.fixture(scope="module")
def chest() -> Image:
    """A CT of the thorax phantom, 24 slices of 40 x 40."""
    made = render_volume(sample_patient(seed=0, index=1)[0], (24, 40, 40))
    return Image(made.array, "zyx", modality="CT", unit="HU", spacing=(10.0, 8.0, 8.0), orientation="SPL")


def build(make_vlm: Any, tokenizer: Any, both: bool, name: str = "vit3d_tiny", **options: Any) -> Any:
    encoders = {"volume_encoder": name} if both else {"encoder": name}
    compressor = {"kind": "slices_pool", "tokens": 8, "depth": 2}
    return make_vlm(tokenizer, projector=KEEP, **{"compressor": compressor, **encoders, **options})


def inputs(processor: MedVLMProcessor, volume: Image) -> dict[str, torch.Tensor]:
    ids = torch.tensor([processor.token_ids("<volume>effusion")])
    return {"input_ids": ids, "pixel_values_videos": processor.image_processor.pixels(volume)[None]}


@pytest.mark.parametrize("both", [False, True], ids=["alone", "beside"])
@pytest.mark.parametrize("name", TINY)
def test_every_3d_encoder_trains_saves_and_answers(
    name: str, both: bool, make_vlm: Any, tokenizer: Any, chest: Image, tmp_path: Path
) -> None:
    model, processor = build(make_vlm, tokenizer, both, name)
    given = inputs(processor, chest)
    assert given["pixel_values_videos"].shape[1] == volume_encoder_spec(name).volume_traits.size[0]
    assert len(model.get_video_features(given["pixel_values_videos"]).pooler_output[0]) == model.config.volume_tokens
    with torch.no_grad():
        before = model(**given).logits
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    again, loaded = load_vlm(tmp_path)
    assert type(again) is type(AutoModelForImageTextToText.from_pretrained(tmp_path))
    assert torch.equal(loaded.image_processor.pixels(chest)[None], given["pixel_values_videos"])
    with torch.no_grad():
        assert torch.equal(again(**given).logits, before)
    plain = gradients(model.train(), given)
    checkpoint_activations(model)
    for key, value in gradients(model, given).items():
        torch.testing.assert_close(value, plain[key], atol=1e-5, rtol=1e-3)


def gradients(model: Any, given: Any) -> dict[str, torch.Tensor]:
    model.zero_grad()
    model(**given, labels=given["input_ids"]).loss.backward()
    tower = model.get_encoder("video")
    found = {name: p.grad.clone() for name, p in tower.named_parameters() if p.grad is not None}
    assert set(found) == {name for name, _ in tower.named_parameters()}
    return found


@pytest.mark.parametrize("both", [False, True])
def test_a_phantom_is_answered_about(both: bool, make_vlm: Any, tokenizer: Any, chest: Image) -> None:
    model, processor = build(make_vlm, tokenizer, both)
    pixels = processor.image_processor.pixels(chest)
    engine = Engine(model, processor)
    (((reply,),),) = engine.generate([Ask((pixels,), (QUESTION,))], max_new_tokens=4)
    assert 1 <= len(reply.tokens) <= 4
    empty = processor.image_processor.pixels(replace(chest, array=np.full_like(chest.array, -1000)))
    scores = [engine.score([Ask((shown,), (QUESTION,))], [[["yes"]]])[0][0][0] for shown in (pixels, empty)]
    assert abs(scores[0] - scores[1]) > 1e-4


def test_images_and_volumes_pass_their_own_encoders(
    make_vlm: Any, tokenizer: Any, radiograph: Image, chest: Image
) -> None:
    model, processor = build(make_vlm, tokenizer, True, "ctvit_tiny")
    plane, volume = (processor.image_processor.pixels(image) for image in (radiograph, chest))
    assert (plane.shape, volume.shape) == ((3, 32, 32), (8, 3, 32, 32))
    assert [processor.count_tokens(kind) for kind in ("image", "volume")] == [16, 8]
    both = (
        model.get_image_features(plane[None]).pooler_output[0],
        model.get_video_features(volume[None]).pooler_output[0],
    )
    assert [len(part) for part in both] == [16, 8]
    assert model.get_encoder("image") is not model.get_encoder("video")


def test_each_encoder_has_its_own_normalisation(make_vlm: Any, tokenizer: Any, chest: Image) -> None:
    _, half = build(make_vlm, tokenizer, True, "ctvit_tiny")
    _, unit = build(make_vlm, tokenizer, True, "vit3d_tiny")
    one, other = (processor.image_processor.pixels(chest) for processor in (half, unit))
    torch.testing.assert_close((one + 1) / 2, other)
    assert half.image_processor.image_mean == unit.image_processor.image_mean == [0.5] * 3


def test_spatial_pooling_reads_depth(make_vlm: Any, tokenizer: Any, chest: Image) -> None:
    """M3D's projector: blocks of 2 x 2 x 2 of 4 x 4 x 4 tokens, all kept."""
    keep = {"kind": "slices_pool", "tokens": 8, "depth": 2}
    pool = {"kind": "spatial_pool", "pool": 2}
    model, processor = make_vlm(tokenizer, encoder="vit3d_tiny", projector=pool, compressor=keep)
    assert model.config.volume_grid == (2, 2, 2)
    pixels = processor.image_processor.pixels(chest)[None]
    tokens = model.get_encoder()(pixels).last_hidden_state
    expected = model.model.multi_modal_projector(tokens)[0]
    torch.testing.assert_close(model.get_video_features(pixels).pooler_output[0], expected)


def test_parts_are_counted(make_vlm: Any, tokenizer: Any) -> None:
    model, _ = build(make_vlm, tokenizer, True)
    towers = [model.get_encoder("image"), model.get_encoder("video")]
    assert count_parameters(model)["vision"] == sum(p.numel() for tower in towers for p in tower.parameters())


def test_published_sizes_are_planned_without_weights() -> None:
    decoder = tiny_decoder(vocab_size=64)
    m3d = plan_vlm(
        encoder="siglip_tiny",
        volume_encoder="vit3d",
        decoder=decoder,
        projector={"kind": "spatial_pool"},
        compressor={"kind": "slices_pool", "tokens": 256, "depth": 4},
    )
    assert (m3d.image_tokens, m3d.volume_tokens) == (16, 256)
    alone = plan_vlm(encoder="ctvit", decoder=decoder, compressor={"kind": "slices_perceiver", "tokens": 256})
    assert (alone.image_tokens, alone.volume_tokens) == (0, 256)


def test_pretrained_3d_encoders_are_taken_as_they_are(make_vlm: Any, tokenizer: Any, tmp_path: Path) -> None:
    saved = volume_encoder_spec("vit3d_tiny").build(seed=5)
    saved.save_pretrained(tmp_path)
    model, _ = build(make_vlm, tokenizer, True, str(tmp_path))
    own = model.get_encoder("video").state_dict()
    assert all(torch.equal(value, own[name]) for name, value in saved.state_dict().items())
    assert not any(p.is_meta for p in [*model.parameters(), *model.buffers()])
    assert torch.isfinite(model.get_video_features(torch.randn(1, 8, 3, 32, 32)).pooler_output[0]).all()


def test_planes_are_refused_where_only_volumes_are_read(make_vlm: Any, tokenizer: Any, radiograph: Image) -> None:
    model, processor = build(make_vlm, tokenizer, False)
    with pytest.raises(
        ImageError, match=r"volumes of 8 x 32 x 32 .* only, got one image of axes yx and shape \(40, 36\)"
    ):
        processor.image_processor.pixels(radiograph)
    with pytest.raises(ImageError, match=r"shows 1 image\(s\), but the model reads volumes only \(8 tokens each\)"):
        processor.token_ids("<image>effusion")
    with pytest.raises(ImageError, match=r"8 x 32 x 32 .* only, got 2 image\(s\) of 3 x 32 x 32"):
        model.get_image_features(torch.zeros(2, 3, 32, 32))


@pytest.mark.parametrize("both", [False, True])
def test_one_slice_is_refused(both: bool, make_vlm: Any, tokenizer: Any, chest: Image) -> None:
    model, processor = build(make_vlm, tokenizer, both)
    single = replace(chest, array=chest.array[:1])
    with pytest.raises(ImageError, match=r"3D encoder takes 8 x 32 x 32 .* got 1 slice\."):
        processor.image_processor.pixels(single)
    with pytest.raises(ImageError, match=r"takes volumes of 8 x 32 x 32 .* got 1 x 32 x 32"):
        model.get_video_features(torch.zeros(1, 1, 3, 32, 32))


def test_encoders_that_do_not_go_together(make_vlm: Any, tokenizer: Any) -> None:
    with pytest.raises(ValueError, match="encoder is 3D"):
        make_vlm(tokenizer, encoder="vit3d_tiny", volume_encoder="ctvit_tiny")
    with pytest.raises(ValueError, match="Unknown 3D encoder 'siglip_tiny'"):
        make_vlm(tokenizer, volume_encoder="siglip_tiny")
    with pytest.raises(ValueError, match="merge=3 does not tile a grid of 4 x 4"):
        make_vlm(tokenizer, encoder="vit3d_tiny", projector={"kind": "linear", "merge": 3})
    planes = RECIPES["photo"].model_copy(update={"axes": ("yx",), "name": "photo_of_planes"})
    with pytest.raises(ValueError, match=r"None of the recipes \['photo_of_planes'\] takes a volume"):
        build(make_vlm, tokenizer, False, recipes=[planes])


@pytest.mark.parametrize("chunk", [1, 5, 64])
def test_chunks_of_slices_change_neither_tokens_nor_gradients(
    chunk: int, make_vlm: Any, tokenizer: Any, chest: Image
) -> None:
    model, processor = make_vlm(tokenizer)
    given = inputs(processor, chest)
    plain = gradients(model.train(), given)
    model.config.slice_chunk, model.config.slice_checkpoint = chunk, True
    for key, value in gradients(model, given).items():
        torch.testing.assert_close(value, plain[key], atol=1e-6, rtol=1e-4)


def kept_bytes(model: Any, slices: int) -> int:
    """Bytes that the backward pass of a volume holds on to."""
    held: dict[int, int] = {}

    def hold(tensor: torch.Tensor) -> torch.Tensor:
        held[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(hold, lambda tensor: tensor):
        features = model.get_video_features(torch.randn(1, slices, 3, 32, 32))
    assert features.last_hidden_state.requires_grad
    return sum(held.values())


def test_memory_grows_no_faster_than_slices(make_vlm: Any, tokenizer: Any) -> None:
    model, _ = make_vlm(tokenizer)
    model.config.slice_chunk = 4
    few, many = kept_bytes(model, 16), kept_bytes(model, 64)
    assert many <= 4 * few
    model.config.slice_checkpoint = True
    assert kept_bytes(model, 64) < many / 3
