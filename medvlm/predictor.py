"""Answer questions about images: ``predict`` for one line, ``load`` for a model that stays."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, overload

from medvlm.answer import Answer, Provenance, make_answer
from medvlm.asking import Shown, make_sample, question_kind, token_limit
from medvlm.asking_study import noted, show_any, with_order
from medvlm.identity import Identity, identify
from medvlm.study import AnswerKind, Image, ImageError, Repair, Sample, WeightsError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image as Pil

    from medvlm.generation.engine import Engine

    Source: TypeAlias = str | Path | NDArray[Any] | Pil.Image | Image

MODEL_VARIABLE = "MEDVLM_MODEL"
CHECKPOINTS = Path("checkpoints")


class Predictor:
    """A model that stays in memory.

    Args:
        model: A composed model, in evaluation mode.
        processor: Its processor.
        identity: What is known of it.
    """

    def __init__(self, model: Any, processor: Any, identity: Identity) -> None:
        from medvlm.generation.engine import Engine

        self.model, self.processor, self.identity = model, processor, identity
        self._engines: dict[bool, Engine] = {flag: Engine(model, processor, reasoning=flag) for flag in (False, True)}

    @overload
    def predict(
        self,
        image: Source | Sequence[Source],
        question: str,
        *,
        options: Sequence[str] | None = ...,
        kind: AnswerKind | None = ...,
        prior: Source | Sequence[Source] | None = ...,
        modality: str | None = ...,
        repair: Repair = ...,
        max_new_tokens: int | None = ...,
        reasoning: bool | None = ...,
    ) -> Answer: ...

    @overload
    def predict(
        self,
        image: Source | Sequence[Source],
        question: list[str] | tuple[str, ...],
        *,
        options: Sequence[str] | None = ...,
        kind: AnswerKind | None = ...,
        prior: Source | Sequence[Source] | None = ...,
        modality: str | None = ...,
        repair: Repair = ...,
        max_new_tokens: int | None = ...,
        reasoning: bool | None = ...,
    ) -> list[Answer]: ...

    def predict(
        self,
        image: Source | Sequence[Source],
        question: str | list[str] | tuple[str, ...],
        *,
        options: Sequence[str] | None = None,
        kind: AnswerKind | None = None,
        prior: Source | Sequence[Source] | None = None,
        modality: str | None = None,
        repair: Repair = False,
        max_new_tokens: int | None = None,
        reasoning: bool | None = None,
    ) -> Answer | list[Answer]:
        """Answer one question, or several of them from one read of the image.

        Args:
            image: A DICOM, NIfTI, PNG or JPEG file, a folder of slices, an array or PIL image; or a list of
                these, which are shown together. Of the folder of a study the image is shown that would be reported;
                notes of the answer say what was left out, and why.
            question: One question, or a list of them.
            options: What to choose from; it makes every question a choice.
            kind: Form of the answer, where ``medvlm.asking.question_kind`` would not tell it.
            prior: An earlier study, or a list of them, the oldest first: shown before the image, and said to be so.
            modality: DICOM modality (``CT``), for images that do not say.
            repair: Whether slices with gaps or tilt are resampled instead of being refused.
            max_new_tokens: Where an answer is cut; what its kind needs if None.
            reasoning: Whether to ask for reasoning; what the model was trained to do if None.

        Returns:
            An answer, or a list of answers for a list of questions.

        Raises:
            ImageError: If an image cannot be read.
            RecipeMismatch: If the model has no intensity recipe for it.
            ValueError: If a question is empty or the kind is unknown.
        """
        several, earlier = _several(image), [] if prior is None else _several(prior)
        if not several:
            raise ImageError("There is no image in the list; give at least one.")
        texts = [question] if isinstance(question, str) else list(question)
        read = [show_any(self, one, modality=modality, repair=repair) for one in [*earlier, *several]]
        shown = noted(read, len(earlier), self)
        forms = [kind or ("choice" if options else question_kind(text)) for text in texts]
        asked = with_order(texts, len(earlier))
        samples = [
            make_sample(shown, text, options=options, kind=form) for text, form in zip(asked, forms, strict=True)
        ]
        (answers,) = self.answer([(shown, samples)], max_new_tokens=max_new_tokens, reasoning=reasoning)
        answers = [replace(answer, question=text.strip()) for answer, text in zip(answers, texts, strict=True)]
        return answers[0] if isinstance(question, str) else answers

    def show(self, image: Source, *, modality: str | None = None, repair: Repair = False) -> Shown:
        """Read an image and make of it what the model sees.

        Args:
            image: See ``predict``.
            modality: See ``predict``.
            repair: See ``predict``.

        Raises:
            ImageError: If it cannot be read.
            RecipeMismatch: If no recipe of the model fits it.
        """
        from medvlm.datamodules.readers import read_image
        from medvlm.intensity import choose_recipe

        study = read_image(image, modality=modality, repair=repair)
        images = self.processor.image_processor
        recipe = choose_recipe(study, images.intensity_recipes)
        return Shown(images.pixels(study), study.source, recipe.name, study.notes + recipe.explain(study))

    def answer(
        self,
        asks: Sequence[tuple[Sequence[Shown], Sequence[Sample]]],
        *,
        max_new_tokens: int | None = None,
        reasoning: bool | None = None,
    ) -> list[list[Answer]]:
        """Answer questions about several studies at once; the images of each are read once.

        Args:
            asks: For each study what is shown and what is asked.
            max_new_tokens: See ``predict``.
            reasoning: See ``predict``.
        """
        from medvlm.generation.engine import Ask

        if max_new_tokens is not None and max_new_tokens < 1:
            raise ValueError(f"max_new_tokens={max_new_tokens}: expected 1 or more.")
        think = self.identity.reasoning if reasoning is None else reasoning
        limit = max_new_tokens or token_limit([one for _, samples in asks for one in samples], reasoning=think)
        engine = self._engines[think]
        replies = engine.generate(
            [Ask(tuple(one.pixels for one in shown), tuple(samples)) for shown, samples in asks], max_new_tokens=limit
        )
        answers = []
        for (shown, samples), found in zip(asks, replies, strict=True):
            origin = self.provenance(shown, max_new_tokens=limit, reasoning=think)
            pairs = zip(samples, found, strict=True)
            answers.append([make_answer(one, reply, origin, engine.prompter.decode) for one, (reply,) in pairs])
        return answers

    def provenance(self, shown: Sequence[Shown], **decoding: Any) -> Provenance:
        """Where answers about these images come from.

        Args:
            shown: The images.
            decoding: How the answers are drawn.
        """
        from medvlm.generation.prompts import prompt_hash

        return Provenance(
            model=self.identity.name,
            weights=self.identity.weights,
            prompt=prompt_hash(),
            decoding={"temperature": 0.0, **decoding},
            images=tuple({"source": one.source, "recipe": one.recipe} for one in shown),
            version=version("medvlm"),
            notes=tuple(dict.fromkeys(note for one in shown for note in one.notes)),
            warnings=self.identity.warnings,
        )


def load(folder_or_hub_id: str | Path | None = None, *, device: str = "auto", dtype: str | None = None) -> Predictor:
    """Load a model to ask.

    Args:
        folder_or_hub_id: A folder that ``save_pretrained`` or a training run wrote, or a Hub name; the model of
            ``default_model()`` if None.
        device: ``cpu``, ``cuda``, ``cuda:1``, ``mps``; ``auto`` takes the first accelerator there is.
        dtype: ``float32``, ``bfloat16``, ...; that of the weights if None.

    Raises:
        WeightsError: If there is no model, or it is damaged, pickled, or of a kind that cannot be run.
    """
    from medvlm.models.load import load_vlm
    from medvlm.models.native import check_runs

    source = default_model() if folder_or_hub_id is None else folder_or_hub_id
    model, processor = load_vlm(source, dtype=dtype or "auto", device=_device(device))
    check_runs(source, processor)
    folder = _folder(source)
    return Predictor(model, processor, identify(folder, "" if folder == Path(source).expanduser() else str(source)))


def predict(image: Any, question: Any, *, model: str | Path | None = None, **options: Any) -> Any:
    """Answer questions about an image with a model that is loaded once and kept.

    Args:
        image: A path (DICOM, NIfTI, PNG, JPEG, folder of slices), array or PIL image, or a list of these.
        question: A question, or a list of them: the image is read once for all.
        model: Folder or Hub name; that of ``default_model()`` if None.
        options: See ``Predictor.predict``.

    Returns:
        An answer, or a list of answers for a list of questions.

    Raises:
        MedvlmError: If the image or the model cannot be used; the message says what to do.
    """
    source = str(default_model() if model is None else model)
    return _kept(source, _stamp(Path(source))).predict(image, question, **options)


def _several(image: Any) -> list[Any]:
    return list(image) if isinstance(image, list | tuple) else [image]


def default_model() -> Path | str:
    """The model that is meant where none is named: ``$MEDVLM_MODEL``, else the newest under ``checkpoints/``.

    Raises:
        WeightsError: If there is none; the message says which command makes one.
    """
    named = os.environ.get(MODEL_VARIABLE)
    if named:
        return named
    found = [path.parent for path in CHECKPOINTS.glob("*/model/config.json") if _stamp(path.parent)]
    if not found:
        raise WeightsError(
            f"There is no model under {CHECKPOINTS.resolve()}. `python tools/train.py configs/cxr_r1.yaml` (or `make "
            f"train`) makes the embedded one; or name a model's folder: model=FOLDER, or {MODEL_VARIABLE}=FOLDER."
        )
    return max(found, key=_stamp)


def _stamp(folder: Path) -> int:
    """When the weights of a folder changed; 0 where there are none."""
    return max((path.stat().st_mtime_ns for path in folder.glob("*.safetensors")), default=0)


@lru_cache(maxsize=1)
def _kept(source: str, stamp: int) -> Predictor:
    """Load once, as long as the weights stay what they are."""
    return load(source)


def _device(name: str) -> str:
    import torch

    if name != "auto":
        return name
    return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"


def _folder(source: str | Path) -> Path:
    """Where the weights lie: the folder itself, or what the Hub client keeps."""
    folder = Path(source).expanduser()
    if folder.is_dir():
        return folder
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(str(source), local_files_only=True))
