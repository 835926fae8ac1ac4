"""Small changes of 2D images: repeatable, small, and never a change of sides."""

from __future__ import annotations

import numpy as np
import pytest

from medvlm.datamodules.augment import STRENGTHS, augment


def left_heavy() -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    pixels = np.full((64, 64, 3), 0.2, np.float32)
    pixels[16:48, 8:24] = 0.8
    return pixels


@pytest.mark.parametrize("name", STRENGTHS)
def test_no_draw_swaps_the_sides(name: str) -> None:
    change = augment(name)
    for index in range(40):
        changed = change(left_heavy(), (0, 0, index))
        assert changed[:, :32].mean() > changed[:, 32:].mean() + 0.05


@pytest.mark.parametrize("name", STRENGTHS)
def test_pixels_stay_float32_in_range_and_of_their_size(name: str) -> None:
    changed = augment(name)(np.random.default_rng(0).random((48, 32, 3), np.float32), (1, 2, 3))
    assert (str(changed.dtype), changed.shape) == ("float32", (48, 32, 3))
    assert changed.min() >= 0
    assert changed.max() <= 1


def test_a_draw_always_gives_the_same_and_another_epoch_or_index_another() -> None:
    change, pixels = augment("gentle"), left_heavy()
    first = change(pixels, (0, 0, 0))
    others = [change(pixels, draw) for draw in ((0, 1, 0), (0, 0, 1), (1, 0, 0))]
    assert np.array_equal(change(pixels, (0, 0, 0)), first)
    assert not any(np.array_equal(first, other) for other in others)


def test_the_given_pixels_are_left_as_they_are() -> None:
    pixels = left_heavy()
    augment("strong")(pixels, (0, 0, 0))
    assert np.array_equal(pixels, left_heavy())


def test_intensity_moves_nothing() -> None:
    changed = augment("intensity")(left_heavy(), (0, 0, 5))
    assert len(np.unique(changed)) == 2


def test_an_unknown_name_and_other_pixels_are_refused() -> None:
    with pytest.raises(ValueError, match="known: none"):
        augment("flip")
    with pytest.raises(ValueError, match="expected float32"):
        augment("gentle")(np.zeros((8, 8, 3), np.uint8), (0, 0, 0))
