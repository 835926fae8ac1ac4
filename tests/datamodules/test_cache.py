"""The pixel cache: decoded once, never for another recipe, another file or another state of a file."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from medvlm.datamodules.cache import PixelCache, _made_by, fingerprint
from medvlm.study import Image, ImageError, ImageRef


def grey(path: Path, value: int) -> ImageRef:
    PIL.Image.fromarray(np.full((4, 4), value, np.uint8)).save(path)
    return ImageRef(path)


def mean(image: Image) -> torch.Tensor:
    return torch.tensor([float(image.array.astype(np.float64).mean())])


def double(image: Image) -> torch.Tensor:
    return 2 * mean(image)


def test_a_file_is_decoded_once(tmp_path: Path) -> None:
    cache, image = PixelCache(mean), grey(tmp_path / "a.png", 10)
    assert [cache(image).item() for _ in range(3)] == [10, 10, 10]
    assert cache.decoded == 1


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    cache = PixelCache(mean)
    cache(grey(tmp_path / "a.png", 10))
    image = grey(tmp_path / "a.png", 20)
    os.utime(image.path, ns=(1, 1))
    assert cache(image).item() == 20


def test_the_disk_serves_a_second_run_and_never_another_recipe(tmp_path: Path) -> None:
    image, folder = grey(tmp_path / "a.png", 10), tmp_path / "cache"
    PixelCache(mean, recipe=fingerprint({"window": 1}), folder=folder)(image)
    second = PixelCache(mean, recipe=fingerprint({"window": 1}), folder=folder)
    assert (second(image).item(), second.decoded) == (10, 0)
    other = PixelCache(double, recipe=fingerprint({"window": 2}), folder=folder)
    assert (other(image).item(), other.decoded) == (20, 1)


def test_a_cut_off_entry_is_made_again(tmp_path: Path) -> None:
    image, folder = grey(tmp_path / "a.png", 10), tmp_path / "cache"
    PixelCache(mean, recipe="r", folder=folder)(image)
    (entry,) = folder.glob("??/*.npy")
    for size in (0, 20, entry.stat().st_size - 1):
        entry.write_bytes(entry.read_bytes()[:size])
        assert PixelCache(mean, recipe="r", folder=folder)(image).item() == 10


def test_a_change_that_hides_behind_size_and_date_is_seen(tmp_path: Path) -> None:
    image, folder = grey(tmp_path / "a.png", 10), tmp_path / "cache"
    os.utime(image.path, ns=(1, 1))
    size = image.path.stat().st_size
    assert PixelCache(mean, recipe="r", folder=folder)(image).item() == 10
    cache = PixelCache(mean, recipe="r", folder=folder)
    assert cache(image).item() == 10
    grey(image.path, 20)
    os.utime(image.path, ns=(1, 1))
    assert image.path.stat().st_size == size
    assert cache(image).item() == 20
    assert PixelCache(mean, recipe="r", folder=folder)(image).item() == 20


def test_a_moved_file_is_known_by_its_content(tmp_path: Path) -> None:
    cache, image = PixelCache(mean, recipe="r", folder=tmp_path / "cache"), grey(tmp_path / "a.png", 10)
    cache(image)
    assert cache(ImageRef(image.path.rename(tmp_path / "b.png"))).item() == 10
    assert cache.decoded == 1


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("depth", [None, 2])
def test_what_comes_back_is_what_went_in_bit_by_bit(tmp_path: Path, colour: bool, depth: int | None) -> None:
    draw = torch.Generator().manual_seed(0)
    shape = (*([] if depth is None else [depth]), 3, 7, 5)
    made = torch.randn(shape, generator=draw)
    if not colour:
        made[:] = made[..., :1, :, :].clone()
    made.view(-1)[0], made.view(-1)[5] = -0.0, float("nan")
    made = made if colour else made[..., :1, :, :].expand(shape)
    image = grey(tmp_path / "a.png", 1)
    for run in range(3):
        cache = PixelCache(lambda _: made, recipe="r", folder=tmp_path / "cache")
        found = cache(image)
        assert found.numpy().tobytes() == made.numpy().tobytes()
        assert cache.decoded == (run == 0)
        assert found.untyped_storage().nbytes() == made.numel() * 4 // (1 if colour else 3)


def test_other_code_never_reads_what_earlier_code_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image, folder = grey(tmp_path / "a.png", 10), tmp_path / "cache"
    PixelCache(mean, recipe="r", folder=folder)(image)
    monkeypatch.setattr("medvlm.datamodules.cache.version", lambda name: "another")
    _made_by.cache_clear()
    later = PixelCache(mean, recipe="r", folder=folder)
    _made_by.cache_clear()
    assert (later(image).item(), later.decoded) == (10, 1)


def test_what_was_used_longest_ago_goes_first(tmp_path: Path) -> None:
    cache = PixelCache(mean, budget_bytes=8)
    a, b, c = (grey(tmp_path / f"{n}.png", n) for n in range(3))
    for image in (a, b, a, c, a):
        cache(image)
    assert cache.decoded == 3
    cache(b)
    assert cache.decoded == 4


def test_a_budget_of_nothing_keeps_nothing(tmp_path: Path) -> None:
    cache, image = PixelCache(mean, budget_bytes=0), grey(tmp_path / "a.png", 10)
    cache(image), cache(image)
    assert cache.decoded == 2


def test_a_slice_added_to_a_folder_is_another_volume(tmp_path: Path) -> None:
    grey(tmp_path / "1.png", 1)
    cache, folder = PixelCache(mean), ImageRef(tmp_path, volume=True)
    before = cache.key(folder)
    grey(tmp_path / "2.png", 2)
    assert cache.key(folder) != before


def test_an_absent_file_and_a_wrong_volume_flag_are_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"gone\.png: expected an image file"):
        PixelCache(mean)(ImageRef(tmp_path / "gone.png"))
    flat = ImageRef(grey(tmp_path / "a.png", 1).path, volume=True)
    with pytest.raises(ImageError, match="holds a 2D image, but its sample says volume"):
        PixelCache(mean)(flat)


def test_a_folder_without_the_name_of_the_recipe_and_a_negative_budget_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="recipe=fingerprint"):
        PixelCache(mean, folder=tmp_path)
    with pytest.raises(ValueError, match="budget_bytes=-1"):
        PixelCache(mean, -1)


def test_a_fingerprint_does_not_depend_on_order_and_refuses_what_has_no_text() -> None:
    assert fingerprint({"a": 1, "b": [2]}) == fingerprint({"b": [2], "a": 1}) != fingerprint({"a": 1, "b": [3]})
    with pytest.raises(TypeError):
        fingerprint({"a": object()})
