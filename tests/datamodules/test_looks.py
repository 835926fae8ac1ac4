"""The perceptual hash: saved again, smaller, in other contrast is the same; another picture is not."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from medvlm.datamodules.looks import BITS, SAME, look_of, near
from medvlm.datamodules.readers import read_image
from medvlm.study import Image


def jpeg(picture: PIL.Image.Image) -> PIL.Image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=30)
    return PIL.Image.open(buffer)


CHANGES: dict[str, Callable[[PIL.Image.Image], PIL.Image.Image]] = {
    "jpeg": jpeg,
    "half": lambda picture: picture.resize((picture.width // 2, picture.height // 2), PIL.Image.Resampling.LANCZOS),
    "squashed": lambda picture: picture.resize((224, 224)),
    "gamma": lambda picture: picture.point([int(255 * (v / 255) ** 0.8) for v in range(256)]),
    "colour": lambda picture: picture.convert("RGB"),
}


@pytest.fixture(scope="module")
def pictures(shared_data: Path) -> list[PIL.Image.Image]:
    folder = shared_data / "vqa_rad" / "VQA_RAD Image Folder"
    return [PIL.Image.open(path).convert("L") for path in sorted(folder.glob("*.jpg"))[:12]]


def bits(picture: PIL.Image.Image) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    found = look_of(read_image(picture))
    assert found is not None
    return found


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_looks_the_same(pictures: list[PIL.Image.Image], change: str) -> None:
    for picture in pictures:
        assert (bits(picture) != bits(CHANGES[change](picture))).sum() <= SAME


def test_different_pictures_are_far_apart(pictures: list[PIL.Image.Image]) -> None:
    every = np.stack([bits(picture) for picture in pictures])
    assert sorted(near(every, every)) == [(n, n, 0) for n in range(12)]
    assert len(list(near(every, every, 2 * SAME))) == 12


def test_distances_are_counts_of_bits() -> None:
    draw = np.random.default_rng(0)
    first, second = draw.random((7, BITS)) < 0.5, draw.random((5, BITS)) < 0.5
    expected = {(i, j): int((first[i] != second[j]).sum()) for i in range(7) for j in range(5)}
    assert {(i, j): apart for i, j, apart in near(first, second, BITS)} == expected


@pytest.mark.parametrize("value", [0.0, 7.0, float("nan")])
def test_a_flat_image_has_no_looks(value: float) -> None:
    assert look_of(Image(np.full((64, 80), value), "yx")) is None


def test_an_inverted_radiograph_looks_like_its_twin_and_a_volume_like_its_middle() -> None:
    plane = np.random.default_rng(0).random((9, 70, 80)).cumsum(1).cumsum(2)
    middle = look_of(Image(plane[4], "yx"))
    assert middle is not None
    twin = look_of(replace(Image(1000 - plane[4], "yx"), inverted=True))
    volume = look_of(Image(plane, "zyx"))
    assert np.array_equal(twin, middle) if twin is not None else False
    assert np.array_equal(volume, middle) if volume is not None else False
