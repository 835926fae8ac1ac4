"""The model card (``README.md``) that lies beside saved weights: from what, on what, how well, and for what.

Its front matter is what the Hugging Face Hub reads (https://huggingface.co/docs/hub/model-cards).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from medvlm.datamodules.sets import SETS
from medvlm.evaluation.protocols import get_protocol
from medvlm.identity import DISCLAIMER, PHANTOM_SETS
from medvlm.models.encoders.known import KNOWN
from medvlm.settings import ModelSettings, Recipe
from medvlm.stages import ContrastiveStage
from medvlm.training.checks import protocol_name
from medvlm.training.validation_result import read_result, result_text

CARD_FILE = "README.md"


def model_card(recipe: Recipe, summary: Mapping[str, Mapping[str, Any]] | None = None) -> str:
    """The card of a model that a recipe made.

    Args:
        recipe: The whole recipe.
        summary: Rows of scores (accuracy, low, high, n, seed), once there are any.

    Raises:
        ValueError: If a stage names a protocol that does not exist.
    """
    bases = base_weights(recipe.model)
    front: dict[str, Any] = {
        "library_name": "transformers",
        "pipeline_tag": "image-text-to-text",
        "license": "other",
        "tags": ["medvlm", "medical", "not-for-clinical-use"],
    }
    if published := [name for name in bases.values() if "/" in name]:
        front["base_model"] = published
    sections = {
        "Intended use": f"Research on medical vision-language models. {DISCLAIMER} Answers may be wrong, also where "
        "they are given with reasons; do not decide about a patient by them.",
        "Base weights": _weights(bases),
        "Training data": _data(recipe),
        "Intensities": _intensities(recipe.model),
        "Training": _training(recipe),
        "Scores": _scores(recipe, summary or {}),
        "Use": "`import medvlm` registers the model; then `pipeline('image-text-to-text', model=FOLDER)`, "
        "`AutoModelForImageTextToText` and `AutoProcessor` load it, and `medvlm.predict` answers about files.",
    }
    body = "\n\n".join(f"## {title}\n\n{text}" for title, text in sections.items())
    return f"---\n{yaml.safe_dump(front, sort_keys=False)}---\n\n# {recipe.name}\n\n{recipe.purpose}\n\n{body}\n"


def trained_kinds(recipe: Recipe) -> list[str]:
    """Forms of answer that a recipe trains, by name; reports ask a model only for what it was trained to give.

    Args:
        recipe: The whole recipe.

    Examples:
        >>> stage = {"name": "a", "objective": "sft", "kinds": ["closed", "box"]}
        >>> data = {"set": "vqa_rad", "root": "unused"}
        >>> trained_kinds(Recipe.model_validate({"name": "r", "purpose": "", "data": data, "stages": [stage]}))
        ['closed']
    """
    offered = {kind for name in recipe.data.sets if name in SETS for kind in SETS[name].kinds}
    found: set[str] = set()
    for stage in recipe.stages:
        if not isinstance(stage, ContrastiveStage):
            loaded = {**recipe.data.options, **stage.options}.get("kinds") or offered
            found |= offered & set(loaded) & set(stage.kinds or offered)
    return sorted(found)


def trained_reads(recipe: Recipe) -> list[str]:
    """What a recipe's samples show beside one study: earlier images (``compare``), clinical history (``context``).

    Args:
        recipe: The whole recipe.
    """
    options = [recipe.data.options, *(stage.options for stage in recipe.stages)]
    asked = {"priors": "compare", "history": "context"}
    return [name for name, option in asked.items() if any(one.get(option) for one in options)]


def base_weights(settings: ModelSettings) -> dict[str, str]:
    """Name of the pretrained weights of each part; nothing for a part that starts from random numbers.

    Of a folder the name is its last part: where it lies is nobody's business but the machine's.

    Examples:
        >>> base_weights(ModelSettings(encoder="google/medsiglip-448"))
        {'encoder': 'google/medsiglip-448'}
    """
    encoder = settings.encoder if isinstance(settings.encoder, str) else settings.encoder.get("weights")
    named = {"encoder": encoder, "decoder": settings.decoder}
    if settings.source is not None:
        named = {"model": settings.source}
    found = {part: name for part, name in named.items() if isinstance(name, str) and "/" in name}
    return {part: Path(name).name if _is_folder(name) else name for part, name in found.items()}


def _is_folder(name: str) -> bool:
    return name.count("/") != 1 or name.startswith((".", "/", "~")) or Path(name).is_dir()


def _weights(bases: Mapping[str, str]) -> str:
    if not bases:
        return "None: every part was trained from random numbers."
    lines = []
    for part, name in bases.items():
        known = KNOWN.get(name)
        terms = f"licence {known.licence}" if known else "for its licence see where it was published"
        lines.append(f"- {part}: {name}; {terms}")
    return "\n".join([*lines, "", "This model is under their terms and those of its training data."])


def _data(recipe: Recipe) -> str:
    lines = []
    for name in dict.fromkeys(recipe.data.sets):
        card = SETS.get(name)
        terms = f"licence: {card.licence}" if card else "see its source for the licence"
        lines.append(f"- {name}; {terms}")
    if set(recipe.data.sets) & set(PHANTOM_SETS):
        lines += ["", "Patients of phantom sets are computed: what was learned from them is not medicine."]
    return "\n".join(lines)


def _intensities(settings: ModelSettings) -> str:
    names = "the general list" if settings.intensity is None else ", ".join(settings.intensity)
    return f"Pixels are prepared by {names}, tried in order; `preprocessor_config.json` has the numbers."


def _training(recipe: Recipe) -> str:
    lines = []
    for stage in recipe.stages:
        result = read_result(recipe.folder / stage.name)
        chosen = f"; {result_text(result)}" if result else ""
        lines.append(
            f"- {stage.name}: {stage.objective}, {stage.steps} batches of {stage.images} contexts, rate {stage.lr:g}"
            f"{chosen}"
        )
    adapters = f"Adapters, merged after each stage: {dict(recipe.model.lora)}." if recipe.model.lora else ""
    return "\n".join([*lines, "", f"Seed {recipe.seed}. {adapters}".strip(), *([recipe.note] if recipe.note else [])])


def _scores(recipe: Recipe, summary: Mapping[str, Mapping[str, Any]]) -> str:
    rows = {name: row for name, row in summary.items() if row.get("accuracy") is not None}
    if not rows:
        return "Not scored yet."
    asked = [stage for stage in recipe.stages if stage.evaluate and not isinstance(stage, ContrastiveStage)]
    names = dict.fromkeys(protocol_name(recipe, stage) for stage in asked)
    lines = [f"Protocol {name}, version {get_protocol(name).version}: {get_protocol(name).about}" for name in names]
    lines += ["", "| model | accuracy | 95 % interval | questions |", "|---|---|---|---|"]
    for name, row in rows.items():
        interval = "-" if row.get("low") is None else f"{row['low']:.3f} to {row['high']:.3f}"
        lines.append(f"| {name} | {row['accuracy']:.3f} | {interval} | {row['n']} |")
    return "\n".join([*lines, "", f"Split: {recipe.evaluate.split}. blind: the model was shown a blank image."])
