"""Encoders that are published under a name: their family, licence, way of access and image size."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from huggingface_hub.errors import GatedRepoError

from medvlm.study import WeightsError

from ..weights import explained

Access = Literal["open", "terms", "request"]

ACCESS: dict[Access, str] = {
    "open": "open to everybody",
    "terms": "gated: accept the terms on its page",
    "request": "gated: ask on its page with your institution's e-mail and wait for its owners to agree",
}
NON_COMMERCIAL = "CC-BY-NC-ND-4.0 (not commercial; no fine-tuned copy may be passed on)"


@dataclass(frozen=True, slots=True)
class Known:
    """What the page of published weights says.

    Attributes:
        family: The registered encoder that loads them.
        licence: Name of the licence.
        access: Who may fetch them.
        image_size: Pixels a side that they were trained on.
    """

    family: str
    licence: str
    access: Access
    image_size: int

    def terms(self, name: str) -> str:
        """One sentence for an error or a plan."""
        return (
            f"{name} ({self.image_size} pixels a side): licence {self.licence}; {ACCESS[self.access]} "
            f"(https://huggingface.co/{name})."
        )


KNOWN: dict[str, Known] = {
    "google/medsiglip-448": Known("siglip", "Health AI Developer Foundations terms", "terms", 448),
    "google/siglip-so400m-patch14-384": Known("siglip", "Apache-2.0", "open", 384),
    "google/siglip2-so400m-patch14-384": Known("siglip", "Apache-2.0", "open", 384),
    "google/siglip2-so400m-patch16-naflex": Known("siglip2", "Apache-2.0", "open", 256),
    "openai/clip-vit-large-patch14-336": Known("clip", "see its page", "open", 336),
    "vinid/plip": Known("clip", "see its page", "open", 224),
    "facebook/dinov2-base": Known("dinov2", "Apache-2.0", "open", 518),
    "facebook/dinov2-with-registers-base": Known("dinov2", "Apache-2.0", "open", 518),
    "microsoft/rad-dino": Known("dinov2", "MIT (its card says: for research)", "open", 518),
    "microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224": Known("open_clip_vision", "MIT", "open", 224),
    "wisdomik/QuiltNet-B-32": Known("open_clip_vision", "MIT", "open", 224),
    "MahmoodLab/UNI": Known("uni", NON_COMMERCIAL, "request", 224),
    "MahmoodLab/UNI2-h": Known("uni2_h", NON_COMMERCIAL, "request", 224),
    "MahmoodLab/CONCH": Known("open_clip_vision", NON_COMMERCIAL, "request", 448),
    "paige-ai/Virchow": Known("virchow", "Apache-2.0 with terms of use", "request", 224),
    "paige-ai/Virchow2": Known("virchow2", NON_COMMERCIAL, "request", 224),
}


@contextmanager
def reached(source: str) -> Iterator[None]:
    """Turn a failure to load ``source`` into a ``WeightsError`` that says licence, access and the way out."""
    try:
        with explained(source):
            yield
    except WeightsError as error:
        if Path(source).expanduser().is_dir():
            raise
        known, gated = KNOWN.get(source), _gated(error)
        shut = gated or (known is not None and known.access != "open")
        page = f"{source}: {'gated, see' if gated else 'its licence is on'} https://huggingface.co/{source}."
        said = page if known is None else known.terms(source)
        login = "log in (hf auth login) with an account that has access, or " if shut else ""
        raise WeightsError(
            f"{error}\n{said} Then {login}fetch it where there is a network (hf download {source}) and give the folder."
        ) from error


def _gated(error: BaseException | None) -> bool:
    """Whether the Hub refused for want of access, somewhere down the chain of causes."""
    while error is not None:
        if isinstance(error, GatedRepoError):
            return True
        error = error.__cause__ or error.__context__
    return False
