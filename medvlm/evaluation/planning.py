"""Which baselines a set can have: known before the model is asked anything."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from medvlm.evaluation.baselines import MAJORITY, POSITION, majority_records, position_records
from medvlm.evaluation.protocols import Protocol
from medvlm.evaluation.records import Record
from medvlm.evaluation.showing import ImageMode, shown_images
from medvlm.study import Sample

Blind = Callable[[Iterable[Sample], Sequence[Sample], Protocol], list[Record]]
UNSEEN: Mapping[str, Blind] = {MAJORITY: majority_records, POSITION: position_records}
"""Those that ask no model but training samples: the records of test samples, by a protocol."""
IMAGES: tuple[ImageMode, ...] = ("blank", "shuffled", "wrong")
"""Those that ask the model again, with other images."""
BASELINES = (*UNSEEN, *IMAGES)


def usable_baselines(
    baselines: Sequence[str], samples: Sequence[Sample], train: Sequence[Sample], seed: int
) -> tuple[list[str], list[str]]:
    """The baselines that these questions can have, in the order given, and why each of the others cannot be had.

    ``position`` says nothing of a set without choices, and is left out without a word.

    Args:
        baselines: Any of `BASELINES`.
        samples: The questions, as they are asked.
        train: Training samples.
        seed: Seed of the shuffling.

    Raises:
        ValueError: If a baseline is unknown, or one that needs training samples is asked for without any.
    """
    if unknown := set(baselines) - set(BASELINES):
        raise ValueError(f"baselines {sorted(unknown)} are unknown; expected some of {', '.join(BASELINES)}")
    if not train and (blind := [name for name in baselines if name in UNSEEN]):
        raise ValueError(f"the {blind[0]} baseline needs training samples: pass train=, or leave it out")
    found, reasons = [], []
    for name in baselines:
        if name == POSITION and not any(sample.kind == "choice" for sample in samples):
            continue
        if reason := _reason(name, samples, seed):
            reasons.append(f"baseline {name} was left out: {reason}")
        else:
            found.append(name)
    return found, reasons


def with_training(
    wanted: Sequence[str] | None, load: Callable[[], Sequence[Sample]]
) -> tuple[list[str], list[Sample], str]:
    """The baselines to ask for, the training samples that they need, and what is said where a set has none.

    Args:
        wanted: Those that were named; None takes all, and goes without those of training where a set has no such split.
        load: Reads the training split; called only if it is needed.

    Raises:
        OSError: If baselines of training were named and its files are not there.
        ValueError: If they were named and the set has no such split.

    Examples:
        >>> with_training(["blank"], list)
        (['blank'], [], '')
    """
    names = list(BASELINES if wanted is None else wanted)
    if not UNSEEN.keys() & set(names):
        return names, [], ""
    reason = "the split is empty"
    try:
        train = list(load())
    except (OSError, ValueError) as error:
        if wanted is not None:
            raise
        train, reason = [], str(error)
    if train or wanted is not None:
        return names, train, ""
    left = [name for name in names if name not in UNSEEN]
    return left, [], f"baselines {' and '.join(UNSEEN)} were left out, no training samples: {reason}\n"


def _reason(name: str, samples: Sequence[Sample], seed: int) -> str:
    """Why a baseline cannot be had; empty if it can."""
    if name in UNSEEN:
        return ""
    if not any(sample.images for sample in samples):
        return "no question shows an image"
    try:
        shown_images(samples, next(mode for mode in IMAGES if mode == name), seed)
    except ValueError as error:
        return str(error)
    return ""
