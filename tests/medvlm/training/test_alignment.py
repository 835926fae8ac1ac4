"""Contrastive losses against hand numbers and open_clip's."""

from __future__ import annotations

import math

import pytest
import torch
from open_clip.loss import ClipLoss, SigLipLoss  # type: ignore[import-untyped]
from torch import Tensor
from torch.nn.functional import normalize

from medvlm.training.alignment import (
    clip_loss,
    label_similarity,
    local_loss,
    local_similarity,
    siglip_loss,
    soft_target_loss,
)

AXES = torch.eye(2)


@pytest.fixture
def pairs() -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(0)
    image, text = (normalize(torch.randn(5, 8, generator=draw), dim=1).requires_grad_() for _ in range(2))
    return image, text


def test_clip_by_hand() -> None:
    # right pairs score 2, wrong ones 0: -log(e^2 / (e^2 + 1)) both ways
    assert float(clip_loss(AXES, AXES, 2.0)) == pytest.approx(math.log(1 + math.exp(-2)))
    assert float(clip_loss(AXES, AXES.flip(0), 2.0)) == pytest.approx(math.log(1 + math.exp(2)))


def test_siglip_by_hand() -> None:
    # right pairs score 2 - 1, wrong ones 0 - 1: two of each over a batch of 2
    wanted = math.log(1 + math.exp(-1)) + math.log(1 + math.exp(-1))
    assert float(siglip_loss(AXES, AXES, 2.0, -1.0)) == pytest.approx(wanted)


def test_clip_is_that_of_open_clip(pairs: tuple[Tensor, Tensor]) -> None:
    scale = torch.tensor(7.0, requires_grad=True)
    found = torch.autograd.grad(clip_loss(*pairs, scale), [*pairs, scale])
    wanted = torch.autograd.grad(ClipLoss()(*pairs, scale), [*pairs, scale])
    torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(clip_loss(*pairs, scale), ClipLoss()(*pairs, scale))


def test_siglip_is_that_of_open_clip(pairs: tuple[Tensor, Tensor]) -> None:
    numbers = [torch.tensor(7.0, requires_grad=True), torch.tensor(-3.0, requires_grad=True)]
    found = torch.autograd.grad(siglip_loss(*pairs, *numbers), [*pairs, *numbers])
    wanted = torch.autograd.grad(SigLipLoss()(*pairs, *numbers), [*pairs, *numbers])
    torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(siglip_loss(*pairs, *numbers), SigLipLoss()(*pairs, *numbers))


def test_soft_targets_by_hand() -> None:
    # both reports say the same: half of the target each, -(log p + log(1 - p)) / 2 with p = e^2 / (e^2 + 1)
    right = 1 / (1 + math.exp(-2))
    wanted = -(math.log(right) + math.log(1 - right)) / 2
    assert float(soft_target_loss(AXES, AXES, 2.0, torch.ones(2, 2))) == pytest.approx(wanted)


def test_sharp_targets_of_unlike_reports_are_clip(pairs: tuple[Tensor, Tensor]) -> None:
    found = soft_target_loss(*pairs, 4.0, torch.eye(5), sharpness=100.0)
    torch.testing.assert_close(found, clip_loss(*pairs, 4.0))


def test_the_papers_targets_are_nearly_flat() -> None:
    # k = 1 and four unlike reports: e / (e + 3) of the target on the right one
    assert float(torch.eye(4).softmax(1)[0, 0]) == pytest.approx(math.e / (math.e + 3))


def test_label_similarity_counts_what_is_present() -> None:
    found = label_similarity(["No pneumothorax. Left pleural effusion.", "Pleural effusion.", "No effusion."])
    assert found[0].tolist() == pytest.approx([1.0, 1.0, 0.0])
    # one certain and one uncertain finding: (1 x 1 + 0) / (|1, 0.5| x |1|)
    doubt = label_similarity(["Pleural effusion. Possible pneumothorax.", "Pleural effusion."])
    assert float(doubt[0, 1]) == pytest.approx(1 / math.sqrt(1.25))


def test_local_similarity_by_hand() -> None:
    # one sentence (1, 0) on patches (1, 0) and (0, 1): attention a = e^4 / (e^4 + 1), cos of (a, 1 - a) with (1, 0)
    a = 1 / (1 + math.exp(-4))
    cosine = a / math.hypot(a, 1 - a)
    assert float(local_similarity([AXES], [AXES[:1]])) == pytest.approx(cosine, abs=1e-6)
    # a second sentence that is found as well changes nothing: the score is a mean
    assert float(local_similarity([AXES], [AXES])) == pytest.approx(cosine, abs=1e-6)


def test_padding_changes_no_local_similarity() -> None:
    draw = torch.Generator().manual_seed(1)
    patches = [normalize(torch.randn(n, 4, generator=draw), dim=1) for n in (3, 6)]
    sentences = [normalize(torch.randn(n, 4, generator=draw), dim=1) for n in (5, 1)]
    whole = local_similarity(patches, sentences)
    for i in range(2):
        for j in range(2):
            torch.testing.assert_close(whole[i, j], local_similarity([patches[i]], [sentences[j]])[0, 0])


def test_local_gradients_are_those_of_finite_differences() -> None:
    draw = torch.Generator().manual_seed(2)
    patches = [torch.randn(n, 3, generator=draw, dtype=torch.float64, requires_grad=True) for n in (2, 3)]
    sentences = [torch.randn(n, 3, generator=draw, dtype=torch.float64, requires_grad=True) for n in (1, 2)]

    def loss(*parts: Tensor) -> Tensor:
        return local_loss(local_similarity(parts[:2], parts[2:]))

    assert torch.autograd.gradcheck(loss, (*patches, *sentences))


def test_one_pair_has_nothing_to_compare_with() -> None:
    one = AXES[:1]
    for loss in (
        lambda: clip_loss(one, one, 1.0),
        lambda: siglip_loss(one, one, 1.0, 0.0),
        lambda: soft_target_loss(one, one, 1.0, torch.ones(1, 1)),
        lambda: local_loss(torch.ones(1, 1)),
    ):
        with pytest.raises(ValueError, match="at least 2 in a batch, got 1"):
            loss()


def test_what_is_no_pair_is_refused() -> None:
    with pytest.raises(ValueError, match="2 images and 1 reports"):
        clip_loss(AXES, AXES[:1], 1.0)
    with pytest.raises(ValueError, match=r"shape \(3, 3\) for 2 pairs"):
        soft_target_loss(AXES, AXES, 1.0, torch.ones(3, 3))
