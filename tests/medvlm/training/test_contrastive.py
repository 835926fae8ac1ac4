"""Stage zero: the gradient of the whole batch in any number of parts, reports that find their images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from medvlm.evaluation.ranking import recall_at
from medvlm.generation.engine import Ask
from medvlm.models import tiny_decoder, tiny_vlm, train_tokenizer
from medvlm.study import ImageRef, Sample, SampleError
from medvlm.training.checks import check_reports, check_samples
from medvlm.training.contrastive import Contrastive, ContrastiveOptions
from medvlm.training.step import Schedule
from medvlm.zeroshot import Aligned

STILL = Schedule(lr=0.0, steps=10, clip_norm=1e9)
SIDES, ZONES, SIZES = ("left", "right"), ("upper", "lower"), ("small", "large")


def study(index: int, *, shown: int = 1) -> Ask:
    """A bright square whose side, zone and size the report names; ``index`` counts in binary."""
    side, zone, size = SIDES[index % 2], ZONES[index // 2 % 2], SIZES[index // 4 % 2]
    images = torch.full((shown, 3, 32, 32), -1.0)
    row, column, edge = 4 + 14 * (zone == "lower"), 4 + 14 * (side == "right"), 4 + 6 * (size == "large")
    images[:, :, row : row + edge, column : column + edge] = 1.0
    report = f"There is a nodule on the {side}. It is {size}, in the {zone} lung."
    refs = tuple(ImageRef(Path(f"{index}-{place}.png")) for place in range(shown))
    return Ask(tuple(images), (Sample(str(index), refs, "What is seen?", report, "report"),))


@pytest.fixture
def studies() -> list[Ask]:
    return [study(index, shown=1 + (index == 2)) for index in range(5)]


def contrastive(tiny: Any, schedule: Schedule = STILL, **options: Any) -> Contrastive:
    others = {name: options.pop(name) for name in ("micro_tokens", "seed") if name in options}
    return Contrastive(*tiny, schedule, options=replace(ContrastiveOptions(dim=16), **options), **others)


@pytest.mark.parametrize("loss", ["clip", "siglip", "soft"])
def test_the_split_into_parts_changes_nothing(
    tiny: Any, studies: list[Ask], fit: Any, gradients: Any, same_gradients: Any, loss: Any
) -> None:
    found, losses = [], []
    for micro_tokens in (100_000, 90, 1):
        module = contrastive(tiny, loss=loss, local=0.5, text="mean", micro_tokens=micro_tokens)
        losses.append(fit(module, [studies])[0]["loss"])
        found.append((len(module.split_pairs(module.pairs(studies))), gradients(module)))
        module.zero_grad()
    assert [count for count, _ in found] == [1, 3, 5]
    assert losses == pytest.approx([losses[0]] * 3, abs=1e-5)
    same_gradients(found[1][1], found[0][1])
    same_gradients(found[2][1], found[0][1])


def test_parts_learn_in_half_precision(tiny: Any, studies: list[Ask], fit: Any, gradients: Any) -> None:
    norms = []
    for micro_tokens in (100_000, 1):
        module = contrastive(tiny, micro_tokens=micro_tokens)
        with torch.autocast("cpu", torch.bfloat16):
            fit(module, [studies])
        norms.append({name: float(grad.norm()) for name, grad in gradients(module).items()})
        module.zero_grad()
    assert norms[0].keys() == norms[1].keys()
    whole, parts = (sum(norm.values()) for norm in norms)
    assert parts == pytest.approx(whole, rel=0.05)  # bf16 keeps 8 bits


def test_every_part_of_the_model_learns(tiny: Any, studies: list[Ask], fit: Any, gradients: Any) -> None:
    module = contrastive(tiny)
    fit(module, [studies])
    names = {name for name, grad in gradients(module).items() if float(grad.abs().max()) > 0}
    for part in ("vision_tower", "multi_modal_projector", "language_model", "heads.image_map", "heads.query"):
        assert any(part in name for name in names), part
    assert "heads.log_scale" in names


def test_volumes_are_paired_beside_images(tiny: Any, studies: list[Ask], fit: Any) -> None:
    sample = replace(studies[0].questions[0], id="ct", images=(ImageRef(Path("ct"), volume=True),))
    volume = Ask((torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(0)),), (sample,))
    mixed = [volume, *studies[:2]]
    whole, parts = (fit(contrastive(tiny, local=0.5, micro_tokens=limit), [mixed])[0] for limit in (10_000, 1))
    assert whole["pairs"] == 3
    assert parts["loss"] == pytest.approx(whole["loss"], abs=1e-5)


def test_reports_find_their_images(fit: Any) -> None:
    batch = [study(index) for index in range(8)]
    reports = [ask.questions[0].answer for ask in batch]
    small = tiny_vlm(train_tokenizer(reports, 400), image_size=32, decoder=tiny_decoder(width=64, layers=2), seed=0)
    module = contrastive(small, Schedule(lr=2e-3, steps=50, warmup=5, decay="none"), dim=32, local=0.5)
    curve = fit(module, [batch] * 50)
    assert curve[-1]["loss/contrastive"] < curve[0]["loss/contrastive"] / 4
    aligned = Aligned(module.model.eval(), module.processor, module.heads.eval())
    assert recall_at(aligned.retrieve([ask.images for ask in batch], reports), 1) >= 0.75  # chance is 1 / 8


def test_a_study_drawn_twice_is_no_negative_of_itself(tiny: Any, studies: list[Ask], fit: Any) -> None:
    once, twice = (fit(contrastive(tiny), [batch])[0] for batch in (studies, [*studies, studies[1]]))
    assert once["pairs"] == twice["pairs"] == 5
    assert once["loss"] == twice["loss"]


def test_one_study_is_no_batch(tiny: Any, studies: list[Ask], fit: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match="at least 2 different studies, got 1"):
        fit(contrastive(tiny), [[studies[0], studies[0]]])


def test_a_study_without_a_report_or_an_image_is_named(tiny: Any, studies: list[Ask]) -> None:
    asked = replace(studies[0].questions[0], kind="closed", answer="Yes")
    with pytest.raises(SampleError, match="'0' has no report"):
        contrastive(tiny).pairs([replace(studies[0], questions=(asked,)), studies[1]])
    with pytest.raises(SampleError, match="'0' has a report and no image"):
        contrastive(tiny).pairs([replace(studies[0], images=()), studies[1]])


def stage() -> Any:
    from medvlm.stages import ContrastiveStage

    return ContrastiveStage(name="align", objective="contrastive")


def test_a_set_without_reports_is_refused_before_the_first_step(tiny: Any, studies: list[Ask]) -> None:
    (sample,) = studies[0].questions
    with pytest.raises(SampleError, match="none of the 1 training samples is a report"):
        check_reports(stage(), [replace(sample, kind="closed")])
    check_reports(stage(), [sample])


def test_what_cannot_be_paired_is_refused_before_the_first_step(tiny: Any, studies: list[Ask]) -> None:
    prompter, groups = contrastive(tiny).prompter, [ask.questions for ask in studies]
    check_samples(prompter, groups, stage(), 100)
    with pytest.raises(SampleError, match="it draws from 1, at least 2"):
        check_samples(prompter, groups[:1], stage(), 100)
    with pytest.raises(SampleError, match=r"'0': its report takes \d+ tokens, the decoder at most 10"):
        check_samples(prompter, groups, stage(), 10)
