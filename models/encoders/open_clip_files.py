"""The files of an open_clip checkpoint, in a folder or on the Hub: ``open_clip_config.json`` and safetensors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from huggingface_hub import hf_hub_download, snapshot_download
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

from medvlm.study import WeightsError

from .known import reached

HF_CONFIG_NAME, HF_SAFE_WEIGHTS_NAME = "open_clip_config.json", "open_clip_model.safetensors"


def has_open_clip(source: str) -> bool:
    """Whether a local folder holds an open_clip checkpoint."""
    return (Path(source).expanduser() / HF_CONFIG_NAME).is_file()


def read_open_clip(source: str) -> dict[str, Any]:
    """What ``open_clip_config.json`` says: ``model_cfg`` and ``preprocess_cfg``.

    Raises:
        WeightsError: If it cannot be read.
    """
    with reached(source):
        said: dict[str, Any] = json.loads(_file(source, HF_CONFIG_NAME).read_text())
        return {"model_cfg": said["model_cfg"], "preprocess_cfg": said.get("preprocess_cfg", {})}


def open_clip_weights(source: str) -> Path:
    """The safetensors file of the checkpoint.

    Raises:
        WeightsError: If it has none: pickles can run any code when they are loaded.
    """
    with reached(source):
        try:
            return _file(source, HF_SAFE_WEIGHTS_NAME)
        except LocalEntryNotFoundError:
            raise
        except (EntryNotFoundError, FileNotFoundError) as error:
            raise WeightsError(
                f"{source} has no {HF_SAFE_WEIGHTS_NAME}; pickled weights (.bin) can run any code and are refused. "
                "Convert them where you trust them: safetensors.torch.save_file(torch.load(FILE, weights_only=True), "
                f"{HF_SAFE_WEIGHTS_NAME!r}), and give the folder that holds it and {HF_CONFIG_NAME}."
            ) from error


def open_clip_folder(source: str) -> Path:
    """A folder with the configuration, the safetensors and the tokenizer; fetched where ``source`` is a Hub name."""
    if Path(source).expanduser().is_dir():
        return open_clip_weights(source).parent
    with reached(source):
        folder = Path(snapshot_download(source, allow_patterns=["*.json", "*.txt", "*.safetensors"]))
    return open_clip_weights(str(folder)).parent


def _file(source: str, name: str) -> Path:
    folder = Path(source).expanduser()
    if not folder.is_dir():
        return Path(hf_hub_download(source, name))
    if not (folder / name).is_file():
        raise FileNotFoundError(f"{folder} has no {name}")
    return folder / name
