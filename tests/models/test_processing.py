from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch

from medvlm.generation.prompts import Prompter
from medvlm.models import MedVLMImageProcessor, check_tokens, max_positions, train_tokenizer
from medvlm.models.processing import flat_images, flat_videos
from medvlm.recipes import RECIPES
from medvlm.study import Image, ImageError, RecipeMismatch, SampleError


@pytest.fixture(scope="module")
def processor(vlm: Any) -> Any:
    return vlm[1]


def test_counts(processor: Any) -> None:
    assert (processor.count_tokens("image"), processor.count_tokens("volume")) == (4, 8)
    with pytest.raises(ValueError, match="'video'"):
        processor.count_tokens("video")


def test_token_ids_expand_every_placeholder(processor: Any) -> None:
    ids = processor.token_ids("<image>left<volume><image>")
    assert ids.count(processor.image_token_id) == 8
    assert ids.count(processor.video_token_id) == 8
    assert processor.token_ids("") == []


def test_token_ids_are_those_of_the_processor(processor: Any, radiograph: Any) -> None:
    text = "<|user|><image>Is there a pleural effusion?<|assistant|>"
    assert processor(text=text, images=[radiograph])["input_ids"][0] == processor.token_ids(text)


def test_pixels_are_the_recipe_normalised(processor: Any, radiograph: Any) -> None:
    recipe = RECIPES["cxr"].model_copy(update={"size": (32, 32)})
    expected = (torch.from_numpy(recipe.apply(radiograph)) - 0.5) / 0.5
    torch.testing.assert_close(processor.image_processor.pixels(radiograph), expected)


def test_mean_and_deviation_are_a_channel_each() -> None:
    processor = MedVLMImageProcessor([RECIPES["photo"]], (0.0, 0.5, 1.0), (1.0, 0.5, 0.25))
    white = np.full((8, 8, 3), 255, np.uint8)
    assert processor.pixels(white)[:, 0, 0].tolist() == [1.0, 1.0, 0.0]


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "1"])
def test_pictures_of_any_mode(processor: Any, mode: str) -> None:
    picture = PIL.Image.new("RGB", (20, 10), "white").convert(mode)
    assert processor.image_processor.pixels(picture).min() == 1.0


def test_picture_array_and_file_agree(processor: Any, photo: Any, tmp_path: Path) -> None:
    photo.save(tmp_path / "photo.png")
    pixels = processor.image_processor.pixels
    torch.testing.assert_close(pixels(np.asarray(photo)), pixels(photo))
    torch.testing.assert_close(pixels(str(tmp_path / "photo.png")), pixels(photo))


def test_prepared_tensors_pass_through(processor: Any) -> None:
    ready = torch.randn(3, 32, 32)
    assert processor.image_processor.pixels(ready) is ready


def test_volumes_in_every_form_agree(processor: Any) -> None:
    slices = np.random.default_rng(0).integers(0, 256, (6, 20, 20, 3)).astype(np.uint8)
    pictures = [PIL.Image.fromarray(plane) for plane in slices]
    stacked = torch.stack([processor.image_processor.pixels(picture) for picture in pictures])
    for form in ([pictures], [[*slices]], [[stacked]], stacked[None], [list(stacked)]):
        out = processor(text="<volume>", videos=form, return_tensors="pt")
        torch.testing.assert_close(out["pixel_values_videos"][0], stacked)


@pytest.mark.parametrize(
    "bad",
    [
        np.zeros((8, 8), np.float32),
        np.zeros((8, 8), np.int16),
        np.zeros(8, np.uint8),
        np.zeros((2, 2, 2, 2, 2), np.uint8),
        torch.zeros(1, 32, 32),
        torch.zeros(32, 32),
    ],
)
def test_values_without_a_meaning_are_refused(processor: Any, bad: Any) -> None:
    with pytest.raises(ImageError):
        processor.image_processor.pixels(bad)


def test_images_that_fit_no_recipe_are_refused(radiograph: Any) -> None:
    only_ct = MedVLMImageProcessor([RECIPES["ct_chest"]])
    with pytest.raises(RecipeMismatch, match="modality is CR, expected CT"):
        only_ct.pixels(radiograph)


def test_images_of_two_sizes_do_not_stack(processor: Any) -> None:
    with pytest.raises(ImageError, match="one shape"):
        processor.image_processor([torch.zeros(3, 8, 8), torch.zeros(3, 9, 8)])


@pytest.mark.parametrize(("text", "images"), [("<image><image>", 1), ("no placeholder", 1), ("<image>", 0)])
def test_placeholders_and_images_must_agree(processor: Any, photo: Any, text: str, images: int) -> None:
    with pytest.raises(ValueError, match=r"The text has \d <image>, but \d were given"):
        processor(text=text, images=[photo] * images or None)


def test_nested_lists_are_flattened_in_order(photo: Any) -> None:
    assert flat_images([[1, 2], [], [3]]) == [1, 2, 3]
    assert len(flat_images(torch.zeros(4, 3, 2, 2))) == 4
    assert flat_videos([[[photo, photo]], [[photo]]]) == [[photo, photo], [photo]]


def test_sample_within_its_budget(processor: Any, vlm: Any) -> None:
    limit = max_positions(vlm[0].config)
    assert limit == 4096
    assert check_tokens(processor, "a", "<image>left", images=1, limit=limit) == len(processor.token_ids("<image>left"))


@pytest.mark.parametrize(
    ("text", "shown", "message"),
    [
        ("<image>", {"images": 2}, "Sample 'q7' has 1 <image> in its text, but 2"),
        ("<volume><volume>", {"volumes": 1}, "Sample 'q7' has 2 <volume>"),
        ("<image>" + " left" * 20, {"images": 1, "limit": 10}, r"Sample 'q7' takes 24 tokens \(4 of them.*at most 10"),
    ],
)
def test_excess_and_mismatch_name_the_sample(processor: Any, text: Any, shown: Any, message: Any) -> None:
    with pytest.raises(SampleError, match=message):
        check_tokens(processor, "q7", text, **shown)


def test_counts_for_servers(processor: Any) -> None:
    counts = processor._get_num_multimodal_tokens(image_sizes=[(10, 10)] * 2, video_sizes=[(3, 4, 4)])
    assert (counts.num_image_tokens, counts.num_image_patches, counts.num_video_tokens) == ([4, 4], [1, 1], [8])


def test_an_image_is_an_image() -> None:
    flat = Image(np.zeros((4, 4), np.uint8), "yx")
    assert MedVLMImageProcessor([RECIPES["photo"]]).pixels(flat).shape == (3, 224, 224)


CHATML = "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
GEMMA = "{% for m in messages %}<start_of_turn>{{ m['role'] }}\n{{ m['content'] }}<end_of_turn>\n{% endfor %}"
PLAIN = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}{{ eos_token }}{% endfor %}"


@pytest.mark.parametrize(
    ("template", "turn", "ends"),
    [
        (CHATML, ("<|im_start|>", "<|im_end|>"), ["<|im_end|>", "<|end|>"]),
        (GEMMA, ("<start_of_turn>", "<end_of_turn>"), ["<end_of_turn>", "<|end|>"]),
        (PLAIN, (), ["<|end|>"]),
    ],
)
def test_an_answer_ends_as_its_template_and_its_tokenizer_say(
    make_vlm: Any, template: str, turn: tuple[str, ...], ends: list[str]
) -> None:
    tokenizer = train_tokenizer(["left"], 300)
    tokenizer.add_special_tokens({"additional_special_tokens": list(turn)})
    tokenizer.chat_template = template
    model, processor = make_vlm(tokenizer)
    ids = tokenizer.convert_tokens_to_ids(ends)
    assert processor.stop_ids == Prompter(processor).stop == ids
    assert Prompter(processor).completion("left")[-1] == ids[0]
    assert model.generation_config.eos_token_id == (ids if len(ids) > 1 else ids[0])
