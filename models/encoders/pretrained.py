"""What a checkpoint of transformers says of its vision tower: configuration and pixel normalisation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError
from transformers import AutoConfig, PreTrainedConfig

from medvlm.study import WeightsError

from ..weights import find_file
from .known import reached

Three = tuple[float, float, float]


def saved_config(source: str) -> PreTrainedConfig:
    """The configuration at a folder or Hub name; no code of it is run.

    Raises:
        WeightsError: If it cannot be read; with licence and access, where they are known.
    """
    with reached(source):
        config: PreTrainedConfig = AutoConfig.from_pretrained(source, trust_remote_code=False)
    return config


def saved_tower(source: str, *towers: str, whole: str | None = None) -> Any:
    """The configuration of the vision tower at ``source``.

    Args:
        source: Folder or Hub name of a tower, or of the image-text model that has one.
        towers: Model types of the tower that are accepted.
        whole: Model type of the image-text model.

    Raises:
        WeightsError: If another kind of model is there.
    """
    config: Any = saved_config(source)
    if config.model_type == whole:
        config = config.vision_config
    if config.model_type not in towers:
        names = " or ".join([whole, *towers] if whole else towers)
        raise WeightsError(f"{source} holds a {config.model_type!r}, expected {names}.")
    return config


def saved_normalisation(source: str, mean: Three, std: Three) -> tuple[Three, Three]:
    """Channel means and deviations of its ``preprocessor_config.json``; the given ones where it has none."""
    said = _preprocessor(source)
    if not {"image_mean", "image_std"} <= said.keys():
        return mean, std
    return three(said["image_mean"]), three(said["image_std"])


def three(values: Any) -> Three:
    """Three channel values as a tuple.

    Examples:
        >>> three([0.5, 0.5, 0.5])
        (0.5, 0.5, 0.5)
    """
    red, green, blue = (float(value) for value in values)
    return red, green, blue


def _preprocessor(source: str) -> dict[str, Any]:
    folder, name = Path(source).expanduser(), "preprocessor_config.json"
    if folder.is_dir() and not (folder / name).is_file():
        return {}
    with reached(source):
        try:
            said: dict[str, Any] = json.loads(find_file(str(folder) if folder.is_dir() else source, name).read_text())
        except LocalEntryNotFoundError:  # no network: whether there is one is not known
            raise
        except EntryNotFoundError:
            return {}
    return said
