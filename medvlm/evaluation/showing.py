"""Which images are shown with which questions: the real ones, blank ones, or those of somebody else."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

from medvlm.study import ImageRef, Sample

ImageMode = Literal["real", "blank", "shuffled"]
Key = tuple[ImageRef, ...]


def group_by_images(samples: Sequence[Sample], most: int) -> list[list[Sample]]:
    """The samples that show the same images together, at most so many at a time, in order of first appearance.

    Args:
        samples: Samples.
        most: Most samples in a group.

    Raises:
        ValueError: If ``most`` is below 1.
    """
    if most < 1:
        raise ValueError(f"at most {most} questions an image; expected 1 or more")
    groups: dict[Key, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(sample.images, []).append(sample)
    return [group[start : start + most] for group in groups.values() for start in range(0, len(group), most)]


def shown_images(samples: Sequence[Sample], mode: ImageMode, seed: int) -> Mapping[Key, Key]:
    """For each list of images, the list that is shown in its place.

    Shuffled images come from another group (patient), and are as many and of the same form (volume or not). The pairing
    depends on the samples and the seed only.

    Args:
        samples: All samples, also those already answered.
        mode: What to show.
        seed: Seed of the shuffling.

    Raises:
        ValueError: If the mode is unknown, or some images have no partner in another group.
    """
    if mode not in ("real", "blank", "shuffled"):
        raise ValueError(f"image mode {mode!r} is unknown; expected real, blank or shuffled")
    groups = {sample.images: sample.group or str(sample.images) for sample in samples}
    if mode != "shuffled":
        return {key: key for key in groups}
    forms: dict[tuple[bool, ...], list[Key]] = {}
    for key in groups:
        forms.setdefault(tuple(image.volume for image in key), []).append(key)
    shown: dict[Key, Key] = {}
    for form, keys in forms.items():
        if not form:
            shown[()] = ()
            continue
        shown |= _deranged(keys, groups, seed)
    return shown


def _deranged(keys: Sequence[Key], groups: Mapping[Key, str], seed: int) -> dict[Key, Key]:
    """Each key with one of another group: groups laid end to end in random order, rotated by the largest of them."""
    sizes = Counter(groups[key] for key in keys)
    largest = max(sizes.values())
    if 2 * largest > len(keys):
        raise ValueError(
            f"images cannot be shuffled: {largest} of {len(keys)} are of one group; "
            "give more groups, or leave the shuffled baseline out"
        )
    names = sorted(sizes)
    random.Random(seed).shuffle(names)
    place = {name: index for index, name in enumerate(names)}
    ordered = sorted(keys, key=lambda key: (place[groups[key]], str(key)))
    return {key: ordered[(index + largest) % len(ordered)] for index, key in enumerate(ordered)}


def load_images(key: Key, mode: ImageMode, pixels: Callable[[ImageRef], Tensor]) -> tuple[Tensor, ...]:
    """The prepared pixels of a list of images; blank ones are zeros of the same shape, the mean of normalised pixels.

    Args:
        key: The images to show.
        mode: Whether they are blanked.
        pixels: Prepared pixels of an image reference.
    """
    tensors = tuple(pixels(image) for image in key)
    return tuple(torch.zeros_like(tensor) for tensor in tensors) if mode == "blank" else tensors
