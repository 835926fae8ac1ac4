"""Which images are shown with which questions: the real ones, blank ones, somebody else's, or ones of another kind."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

from medvlm.study import ImageRef, Sample

ImageMode = Literal["real", "blank", "shuffled", "wrong"]
Key = tuple[ImageRef, ...]
KINDS: tuple[tuple[str, ...], ...] = (
    ("modality",),
    ("organ", "body_part", "bodypart", "location", "body_system"),
    ("view", "plane"),
)
"""Categories that say what kind an image is, those that set images furthest apart first."""
_UNSAID = ("", "unknown", "none", "other")
_ALIKE = {
    **dict.fromkeys(
        ("ap", "pa", "antero_posterior", "postero_anterior", "anteroposterior", "posteroanterior"), "frontal"
    ),
    **dict.fromkeys(("ll", "rl", "lat", "left lateral", "right lateral"), "lateral"),
}
"""View positions (0018,5101) that show the same of a patient: a PA radiograph is no wrong image for an AP one."""


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

    Shuffled images come from another group (patient), wrong ones are of another kind: modality, else body part, else
    view, the first by which all images of the set can be told apart. Both are as many and of the same form (volume or
    not). The pairing depends on the samples and the seed only.

    Args:
        samples: All samples, also those already answered.
        mode: What to show.
        seed: Seed of the shuffling.

    Raises:
        ValueError: If the mode is unknown, some images have no partner in another group, or all are of one kind.
    """
    if mode not in get_args(ImageMode):
        raise ValueError(f"image mode {mode!r} is unknown; expected one of {', '.join(get_args(ImageMode))}")
    groups = {sample.images: sample.group or str(sample.images) for sample in samples}
    if mode in ("real", "blank"):
        return {key: key for key in groups}
    forms: dict[tuple[bool, ...], list[Key]] = {}
    for key in groups:
        forms.setdefault(tuple(image.volume for image in key), []).append(key)
    without = forms.pop((), [])
    shown: dict[Key, Key] = {key: key for key in without}
    if mode == "wrong":
        return shown | _of_another_kind(forms, samples, seed)
    for keys in forms.values():
        shown |= _deranged(keys, groups, seed)
    return shown


def _of_another_kind(
    forms: Mapping[tuple[bool, ...], list[Key]], samples: Sequence[Sample], seed: int
) -> dict[Key, Key]:
    """Each key with one of another kind, by the first attribute that tells kinds apart in every form."""
    if not forms:
        raise ValueError("no question shows an image; leave the wrong image out")
    reasons = []
    for names in KINDS:
        kinds = _kinds(samples, names)
        fewest = min((_told(keys, kinds) for keys in forms.values()), key=len)
        if len(fewest) > 1:
            return {key: other for keys in forms.values() for key, other in _drawn(keys, kinds, seed).items()}
        reasons.append(f"{names[0]} is {next(iter(fewest)) if fewest else 'not said of every image'}")
    raise ValueError(
        f"no image of another kind can be shown: {'; '.join(reasons)}. Give a set with images of several kinds, named "
        "by its categories, or leave the wrong image out"
    )


def _kinds(samples: Sequence[Sample], names: Sequence[str]) -> dict[Key, str]:
    """What each list of images is by one attribute: the smallest value that its questions give; '' where none does."""
    found: dict[Key, str] = {}
    for sample in samples:
        said = {name.casefold(): value.strip().casefold() for name, value in sample.categories.items()}
        value = next((said[name] for name in names if said.get(name, "") not in _UNSAID), "")
        if not value and names == ("modality",):
            value = (sample.images[0].modality or "").casefold() if sample.images else ""
        before = found.get(sample.images, "")
        value = _ALIKE.get(value, value)
        found[sample.images] = min(before, value) if before and value else before or value
    return found


def _told(keys: Sequence[Key], kinds: Mapping[Key, str]) -> set[str]:
    """The kinds of these images; none if one of them has none."""
    found = {kinds[key] for key in keys}
    return set() if "" in found else found


def _drawn(keys: Sequence[Key], kinds: Mapping[Key, str], seed: int) -> dict[Key, Key]:
    """Each key with a random one of another kind; one kind may be much more frequent, so some are shown more often."""
    pools: dict[str, list[Key]] = {}
    for kind in sorted({kinds[key] for key in keys}):
        pools[kind] = sorted((key for key in keys if kinds[key] != kind), key=str)
    rng = random.Random(seed)
    return {key: rng.choice(pools[kinds[key]]) for key in sorted(keys, key=str)}


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


def pairing_digest(samples: Sequence[Sample], shown: Mapping[Key, Key]) -> str:
    """Eight hex digits that change with what is shown with any question, whatever folder the images lie in.

    Args:
        samples: All samples, with unique ids.
        shown: What `shown_images` gave for them.
    """
    first = {sample.images: sample.id for sample in reversed(samples)}
    pairs = sorted((sample.id, first[shown[sample.images]]) for sample in samples)
    return hashlib.sha256(repr(pairs).encode()).hexdigest()[:8]


def load_images(key: Key, mode: ImageMode, pixels: Callable[[ImageRef], Tensor]) -> tuple[Tensor, ...]:
    """The prepared pixels of a list of images; blank ones are zeros of the same shape, the mean of normalised pixels.

    Args:
        key: The images to show.
        mode: Whether they are blanked.
        pixels: Prepared pixels of an image reference.
    """
    tensors = tuple(pixels(image) for image in key)
    return tuple(torch.zeros_like(tensor) for tensor in tensors) if mode == "blank" else tensors
