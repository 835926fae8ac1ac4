"""Medical vision-language models: studies and questions in, answers, scores and reports out.

Everything named here is loaded when it is first used, so that ``import medvlm`` stays cheap::

    medvlm.predict("chest.dcm", "Is there a pleural effusion?")
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medvlm.answer import Answer
    from medvlm.datamodules.readers import read_image
    from medvlm.predictor import Predictor, load, predict
    from medvlm.reporting import write_reports
    from medvlm.study import (
        GeometryError,
        Image,
        ImageError,
        MedvlmError,
        RecipeMismatch,
        SampleError,
        WeightsError,
    )
    from medvlm.zeroshot import Aligned, load_aligned

    __version__: str

__all__ = [
    "Aligned",
    "Answer",
    "GeometryError",
    "Image",
    "ImageError",
    "MedvlmError",
    "Predictor",
    "RecipeMismatch",
    "SampleError",
    "WeightsError",
    "__version__",
    "load",
    "load_aligned",
    "predict",
    "read_image",
    "write_reports",
]

_HOMES = {
    "Aligned": "medvlm.zeroshot",
    "Answer": "medvlm.answer",
    "Predictor": "medvlm.predictor",
    "load": "medvlm.predictor",
    "load_aligned": "medvlm.zeroshot",
    "predict": "medvlm.predictor",
    "read_image": "medvlm.datamodules.readers",
    "write_reports": "medvlm.reporting",
}


def __getattr__(name: str) -> Any:
    """Load what is asked for (PEP 562)."""
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("medvlm")
    elif name in __all__:
        value = getattr(importlib.import_module(_HOMES.get(name, "medvlm.study")), name)
    else:
        raise AttributeError(f"module 'medvlm' has no attribute {name!r}; it offers {', '.join(__all__)}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """What is offered, loaded or not."""
    return sorted({*__all__, *globals()})
