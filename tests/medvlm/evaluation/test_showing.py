"""Shuffled images always come from another group, in the same form, and never depend on order."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch

from medvlm.evaluation.showing import group_by_images, load_images, shown_images
from medvlm.study import ImageRef, Sample


def sample(name: str, group: str, *volumes: bool) -> Sample:
    images = tuple(ImageRef(Path(f"{name}-{index}"), volume) for index, volume in enumerate(volumes))
    return Sample(name, images, "?", "yes", "closed", group=group)


@pytest.mark.parametrize("seed", range(60))
def test_every_image_gets_another_groups_image(seed: int) -> None:
    rng = random.Random(seed)
    groups = [rng.randrange(rng.choice([2, 9])) for _ in range(rng.randrange(2, 40))]
    samples = [sample(str(index), f"g{group}", False) for index, group in enumerate(groups)]
    if 2 * max(groups.count(group) for group in groups) > len(groups):
        with pytest.raises(ValueError, match="cannot be shuffled"):
            shown_images(samples, "shuffled", seed)
        return
    shown = shown_images(samples, "shuffled", seed)
    owner = {sample.images: sample.group for sample in samples}
    assert sorted(map(str, shown.values())) == sorted(map(str, shown))
    assert all(owner[key] != owner[other] for key, other in shown.items())


def test_pairs_depend_on_the_seed_and_not_on_the_order() -> None:
    samples = [sample(str(index), f"g{index}", False) for index in range(20)]
    assert shown_images(samples, "shuffled", 1) == shown_images(samples[::-1], "shuffled", 1)
    assert shown_images(samples, "shuffled", 1) != shown_images(samples, "shuffled", 2)


def test_volumes_are_exchanged_for_volumes_only() -> None:
    samples = [sample(f"{form}{index}", f"g{form}{index}", form == "v") for form in "vi" for index in range(3)]
    shown = shown_images(samples, "shuffled", 0)
    assert all(key[0].volume == other[0].volume for key, other in shown.items())


def test_questions_without_images_stay_without() -> None:
    samples = [sample("text", "g"), sample("a", "ga", False), sample("b", "gb", False)]
    assert shown_images(samples, "shuffled", 0)[()] == ()


def test_blank_images_keep_their_shape_and_hold_nothing() -> None:
    (blank,) = load_images((ImageRef(Path("a")),), "blank", lambda ref: torch.ones(3, 4, 5))
    assert blank.shape == (3, 4, 5)
    assert not blank.any()


def test_questions_of_an_image_stay_together_up_to_the_limit() -> None:
    samples = [sample("a", "g", False)] * 5 + [sample("b", "g", False)]
    assert [len(group) for group in group_by_images(samples, 2)] == [2, 2, 1, 1]
    with pytest.raises(ValueError, match="expected 1 or more"):
        group_by_images(samples, 0)


def of_kind(name: str, volume: bool = False, modality: str | None = None, **categories: str) -> Sample:
    image = ImageRef(Path(name), volume, modality=modality)
    return Sample(name, (image,), "?", "yes", "closed", group=name, categories=categories)


@pytest.mark.parametrize("seed", range(5))
def test_a_wrong_image_is_of_another_modality_even_where_one_is_rare(seed: int) -> None:
    samples = [of_kind(f"x{k}", modality="CT" if k % 10 else "MR", organ="lung") for k in range(40)]
    kinds = {sample.images: sample.images[0].modality for sample in samples}
    shown = shown_images(samples, "wrong", seed)
    assert shown.keys() == kinds.keys()
    assert all(kinds[key] != kinds[other] for key, other in shown.items())
    assert shown == shown_images(samples[::-1], "wrong", seed)


def test_body_part_and_view_tell_apart_what_has_one_modality() -> None:
    organs = [of_kind(str(k), Modality="CT", location="Lung" if k < 3 else "Abdomen", view="AP") for k in range(6)]
    views = [of_kind(str(k), modality="CR", view="PA" if k < 2 else "LATERAL") for k in range(6)]
    for samples, split in ((organs, 3), (views, 2)):
        shown = shown_images(samples, "wrong", 0)
        assert all((int(key[0].path.name) < split) != (int(other[0].path.name) < split) for key, other in shown.items())


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (
            [of_kind("a", modality="CR"), of_kind("b", modality="CR")],
            "modality is cr; organ is not said of every image",
        ),
        ([of_kind("a", organ="CHEST"), of_kind("b", organ="chest")], "modality is not said.*organ is chest"),
        ([of_kind("a", view="AP"), of_kind("b", view="PA")], "view is frontal"),
        ([of_kind("a", modality="CR"), of_kind("b", True, modality="CT")], "no image of another kind"),
        ([of_kind("a", modality="CR"), of_kind("b", modality="unknown"), of_kind("c", organ="lung")], "not said"),
        ([sample("text", "g")], "no question shows an image"),
    ],
)
def test_no_other_kind_is_refused_with_the_reason(samples: list[Sample], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        shown_images(samples, "wrong", 0)
