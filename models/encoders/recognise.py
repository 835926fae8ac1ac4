"""Which encoder family a folder or Hub name holds."""

from __future__ import annotations

from medvlm.study import WeightsError

from .known import KNOWN
from .pretrained import saved_config

FAMILIES = {
    "siglip": "siglip",
    "siglip_vision_model": "siglip",
    "siglip2": "siglip2",
    "siglip2_vision_model": "siglip2",
    "clip": "clip",
    "clip_vision_model": "clip",
    "dinov2": "dinov2",
    "dinov2_with_registers": "dinov2",
    "timm_wrapper": "timm_model",
}


def recognise(source: str) -> str:
    """The registered encoder that loads ``source``: by its name where it is known, else by its configuration.

    Raises:
        WeightsError: If its configuration cannot be read or is of no known family.
    """
    if source in KNOWN:
        return KNOWN[source].family
    config = saved_config(source)
    if config.model_type not in FAMILIES:
        raise WeightsError(
            f"{source} holds a {config.model_type!r}, expected {', '.join(FAMILIES)}. Another encoder: write a "
            "builder and name it 'package.module:function'."
        )
    return FAMILIES[config.model_type]
