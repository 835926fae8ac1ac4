"""Where weights come from, and the refusal of whatever could run code or is not there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub import hf_hub_download
from safetensors import SafetensorError

from medvlm.study import WeightsError

PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")


def check_source(source: str | Path, *, config: str = "config.json", adapter: bool = False) -> str:
    """The source as transformers takes it, once a local folder has been found whole and free of pickled weights.

    Args:
        source: A folder, or a Hub name.
        config: The file that says what the weights are.
        adapter: Whether adapter weights are expected.

    Raises:
        WeightsError: If the folder is missing or incomplete, or its weights are pickled.
    """
    folder = Path(source).expanduser()
    if folder.is_dir():
        _check_folder(folder, config, adapter)
        return str(folder)
    if folder.exists():
        raise WeightsError(f"{folder} is a file; give the folder that holds {config} and model.safetensors.")
    name = str(source)
    if name.count("/") != 1 or name.startswith((".", "/", "~")) or folder.parent.is_dir():
        raise WeightsError(f"There is no folder {folder}. Give a checkpoint's folder, or a Hub name like org/name.")
    return name


@contextmanager
def explained(source: str) -> Iterator[None]:
    """Turn what transformers and safetensors raise while loading ``source`` into a ``WeightsError``."""
    try:
        yield
    except (OSError, ValueError, RuntimeError, TypeError, KeyError, SafetensorError) as error:
        if isinstance(error, WeightsError):
            raise
        raise WeightsError(f"{source} cannot be loaded: {error}") from error


def check_complete(source: str, report: dict[str, set[str]]) -> None:
    """Refuse weights that lack parameters of the architecture.

    Args:
        source: Named in the message.
        report: What ``from_pretrained(output_loading_info=True)`` returned beside the model.

    Raises:
        WeightsError: If any parameter is missing.
    """
    missing = sorted(report["missing_keys"])
    if missing:
        shown = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
        raise WeightsError(f"{source} holds weights of another architecture: {shown} are missing in it.")


def find_file(source: str, name: str) -> Path:
    """A file of a folder, or of a Hub repository (it is then fetched)."""
    folder = Path(source)
    return folder / name if folder.is_dir() else Path(hf_hub_download(source, name))


def _check_folder(folder: Path, config: str, adapter: bool) -> None:
    if not (folder / config).is_file():
        raise WeightsError(f"{folder} has no {config}; it is no checkpoint that save_pretrained wrote.")
    stem = "adapter_model" if adapter else "model"
    if any(folder.glob(f"{stem}*.safetensors")):
        return
    pickled = sorted(path for path in folder.iterdir() if path.suffix in PICKLED)
    if pickled:
        raise WeightsError(
            f"{pickled[0]} is a pickle, which can run any code when it is loaded, and is refused. Convert it where you "
            f"trust it (load there, save_pretrained) and give the folder with {stem}.safetensors."
        )
    raise WeightsError(f"{folder} has no {stem}.safetensors; the weights are missing.")
