"""Contrastive losses between images and reports, as pure functions of unit embeddings.

CLIP: Radford et al. (arXiv 2103.00020); SigLIP: Zhai et al. (2303.15343); soft semantic targets: MedCLIP, Wang et al.
(2210.10163); local alignment: GLoRIA, Huang et al. (ICCV 2021). Every loss is a mean over the pairs of one whole batch:
a pair's negatives are the other pairs, so that parts of a batch have another loss than the batch.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, logsigmoid, normalize
from torch.nn.utils.rnn import pad_sequence

from medvlm.evaluation.labeler import LABELS, State, label_report

_STATE: dict[State, float] = {"present": 1.0, "uncertain": 0.5, "absent": 0.0}


def clip_loss(image: Tensor, text: Tensor, scale: Tensor | float) -> Tensor:
    """Symmetric InfoNCE: each image finds its report among all, each report its image.

    ``L = (CE(s V T', i) + CE(s T V', i)) / 2``.

    Args:
        image: Unit embeddings ``(B, D)``.
        text: Those of the reports, in the same order.
        scale: ``s``, one over the temperature.

    Raises:
        ValueError: If there are fewer than two pairs, or not as many texts as images.
    """
    _check(image, text)
    return _symmetric(scale * image @ text.T)


def siglip_loss(image: Tensor, text: Tensor, scale: Tensor | float, bias: Tensor | float) -> Tensor:
    """Every pair a question of its own: do this image and this report belong together?

    ``L = -1/B sum_ij log sigmoid(z_ij (s v_i t_j + b))`` with ``z`` 1 on the diagonal and -1 elsewhere.

    Args:
        image: Unit embeddings ``(B, D)``.
        text: Those of the reports, in the same order.
        scale: ``s``.
        bias: ``b``; negative at the start, for nearly all pairs are strangers.

    Raises:
        ValueError: See `clip_loss`.
    """
    _check(image, text)
    logits = scale * image @ text.T + bias
    sign = 2 * torch.eye(len(image), device=image.device, dtype=logits.dtype) - 1
    return -logsigmoid(sign * logits).sum() / len(image)


def soft_target_loss(
    image: Tensor, text: Tensor, scale: Tensor | float, similarity: Tensor, *, sharpness: float = 1.0
) -> Tensor:
    """InfoNCE whose target is spread over the reports that say the same.

    ``L = (H(y, s V T') + H(y', s T V')) / 2`` with ``y_ij = softmax_j(k similarity_ij)``.

    What differs from the paper: it has ``k = 1``, with which equal reports count hardly more than unlike ones.

    Args:
        image: Unit embeddings ``(B, D)``.
        text: Those of the reports, in the same order.
        scale: ``s``.
        similarity: How alike what the pairs say is, ``(B, B)``, see `label_similarity`.
        sharpness: ``k``.

    Raises:
        ValueError: See `clip_loss`; also if the similarities have another shape.
    """
    _check(image, text)
    if similarity.shape != (len(image), len(text)):
        raise ValueError(f"similarities of shape {tuple(similarity.shape)} for {len(image)} pairs; expected one a pair")
    logits, wanted = scale * image @ text.T, sharpness * similarity
    return (cross_entropy(logits, wanted.softmax(1)) + cross_entropy(logits.T, wanted.T.softmax(1))) / 2


def label_similarity(reports: Sequence[str]) -> Tensor:
    """Cosine between the findings of reports, ``(B, B)``, by the rule labeler.

    A report is a vector over its labels: 1 present, 0.5 uncertain, 0 absent or not mentioned. A report without any is
    like itself and no other.

    Examples:
        >>> label_similarity(["Small nodule.", "A nodule. Cardiomegaly.", ""])
        tensor([[1.0000, 0.7071, 0.0000],
                [0.7071, 1.0000, 0.0000],
                [0.0000, 0.0000, 1.0000]])
    """
    found = [label_report(report) for report in reports]
    rows = [[_STATE[states[name]] if name in states else 0.0 for name in LABELS] for states in found]
    unit = normalize(torch.tensor(rows), dim=1)
    return (unit @ unit.T).fill_diagonal_(1.0)


def local_similarity(
    patches: Sequence[Tensor], sentences: Sequence[Tensor], *, attention: float = 0.25, gather: float = 0.2
) -> Tensor:
    """How well the sentences of every report are found in every image, ``(images, reports)``.

    Each sentence ``t`` attends over the patches ``v`` of an image, ``c = sum_j softmax_j(t v_j / attention) v_j``; a
    report's score is ``gather log mean exp(cos(c, t) / gather)`` over its sentences, between their mean and their best.

    What differs from the paper: sentences instead of words; a mean where it has a sum, for a sum favours long reports.

    Args:
        patches: Unit embeddings ``(patches, D)`` of each image.
        sentences: Unit embeddings ``(sentences, D)`` of each report, at least one.
        attention: Temperature of the attention.
        gather: Temperature of the mean.
    """
    seen, patch_there = _pad(patches)
    said, sentence_there = _pad(sentences)
    scores = torch.einsum("bnd,csd->bcsn", seen, said) / attention
    weights = scores.masked_fill(~patch_there[:, None, None], -torch.inf).softmax(-1)
    context = torch.einsum("bcsn,bnd->bcsd", weights, seen)
    cosines = torch.einsum("bcsd,csd->bcs", normalize(context, dim=-1), said)
    each = (cosines / gather).masked_fill(~sentence_there, -torch.inf)
    return gather * (each.logsumexp(-1) - sentence_there.sum(-1).log())


def local_loss(similarity: Tensor, *, temperature: float = 0.1) -> Tensor:
    """Symmetric InfoNCE over `local_similarity`.

    Raises:
        ValueError: If there are fewer than two pairs.
    """
    _check(similarity, similarity)
    return _symmetric(similarity / temperature)


def _symmetric(logits: Tensor) -> Tensor:
    own = torch.arange(len(logits), device=logits.device)
    return (cross_entropy(logits, own) + cross_entropy(logits.T, own)) / 2


def _check(image: Tensor, text: Tensor) -> None:
    if len(image) != len(text):
        raise ValueError(f"{len(image)} images and {len(text)} reports; expected pairs")
    if len(image) < 2:
        raise ValueError(f"A contrastive loss compares pairs: it needs at least 2 in a batch, got {len(image)}.")


def _pad(parts: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Rows of different lengths as one tensor, and which of its places are filled."""
    lengths = torch.tensor([len(part) for part in parts], device=parts[0].device)
    padded = pad_sequence(list(parts), batch_first=True)
    return padded, torch.arange(padded.shape[1], device=padded.device) < lengths[:, None]
