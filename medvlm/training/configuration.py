"""The configuration of a recipe's model, and what would be fetched for it, before any weight is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import AutoConfig

from medvlm.models.build import compose_config, find_spec, find_volume_spec
from medvlm.models.load import read_config
from medvlm.settings import ModelSettings
from medvlm.study import WeightsError


def plan_config(settings: ModelSettings) -> tuple[Any, dict[str, str]]:
    """The model's configuration, and the part that each Hub name would be fetched for ('' for the whole)."""
    if settings.source is not None:
        _at_hand(settings.source)
        return read_config(settings.source), {} if Path(settings.source).is_dir() else {settings.source: ""}
    spec, volume = find_spec(settings.encoder), find_volume_spec(settings.volume_encoder)
    encoders = [*spec.sources, *([] if volume is None else volume.sources)]
    fetched = {source: "vision" for source in encoders if not Path(source).expanduser().is_dir()}
    decoder = settings.decoder
    if isinstance(decoder, dict):
        decoder = {"vocab_size": settings.vocabulary, **decoder}
    elif "/" in decoder:
        _at_hand(decoder)
        if not Path(decoder).is_dir():
            fetched[decoder] = "decoder"
    return compose_config(spec, decoder, settings.projector, settings.compressor, volume=volume), fetched


def _at_hand(source: str) -> None:
    """Make sure that a configuration is here or can be fetched.

    Raises:
        WeightsError: If it is neither.
    """
    if Path(source).expanduser().is_dir():
        return
    if source.count("/") != 1 or source.startswith((".", "/", "~")):
        raise WeightsError(f"There is no folder {source}. Give a checkpoint's folder, or a Hub name like org/name.")
    try:
        AutoConfig.from_pretrained(source, trust_remote_code=False)
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise WeightsError(
            f"The configuration of {source} is not on this machine and could not be fetched ({reason}). Go online, "
            f"log in if it is gated (hf auth login), or fetch it elsewhere (hf download {source} --include '*.json') "
            "and name the folder."
        ) from error
