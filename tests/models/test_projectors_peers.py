"""Projectors beside the published code they follow: the same weights, the same tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F  # noqa: N812
from transformers import (
    AutoModelForImageTextToText,
    Blip2QFormerConfig,
    Gemma3Config,
    Idefics3Config,
    InternVLConfig,
)
from transformers.models.blip_2.modeling_blip_2 import Blip2QFormerModel
from transformers.models.gemma3.modeling_gemma3 import Gemma3MultiModalProjector
from transformers.models.idefics3.modeling_idefics3 import Idefics3Connector
from transformers.models.internvl.modeling_internvl import InternVLModel, InternVLMultiModalProjector

from medvlm.models.projectors import build_projector, projected_grid

TOKENS = torch.randn(2, 64, 6, generator=torch.Generator().manual_seed(0))


def test_pixel_shuffle_is_the_connector_of_idefics3() -> None:
    config = Idefics3Config(
        vision_config={"hidden_size": 6}, text_config={"hidden_size": 16, "num_attention_heads": 2}, scale_factor=2
    )
    theirs = Idefics3Connector(config)
    ours: Any = build_projector("pixel_shuffle", width_in=6, width_out=16, grid=(8, 8))
    ours.load_state_dict({"linear.weight": theirs.modality_projection.proj.weight})
    torch.testing.assert_close(ours(TOKENS), theirs(TOKENS))


def test_mlp_with_merged_tokens_is_the_projector_of_internvl() -> None:
    config = InternVLConfig(vision_config={"hidden_size": 6}, text_config={"hidden_size": 16})
    theirs = InternVLMultiModalProjector(config)
    ours: Any = build_projector("mlp", width_in=6, width_out=16, grid=(8, 8), merge=2)
    names = {"layer_norm": "norm", "linear_1": "up", "linear_2": "down"}
    states = theirs.state_dict().items()
    ours.load_state_dict({f"{names[key.split('.')[0]]}.{key.split('.')[1]}": value for key, value in states})
    model: Any = InternVLModel
    shuffled = model.pixel_shuffle(None, TOKENS.reshape(2, 8, 8, 6), 0.5).reshape(2, 16, 24)
    torch.testing.assert_close(ours(TOKENS), theirs(shuffled))


def test_average_pool_is_the_projector_of_gemma_3() -> None:
    config = Gemma3Config(
        vision_config={"hidden_size": 6, "image_size": 64, "patch_size": 8},
        text_config={"hidden_size": 16},
        mm_tokens_per_image=4,
    )
    theirs = Gemma3MultiModalProjector(config)
    torch.nn.init.normal_(theirs.mm_input_projection_weight)
    torch.nn.init.normal_(theirs.mm_soft_emb_norm.weight)
    ours: Any = build_projector("average_pool", width_in=6, width_out=16, grid=(8, 8), pool=4)
    weight, scale = theirs.mm_input_projection_weight.T, 1 + theirs.mm_soft_emb_norm.weight
    ours.load_state_dict({"linear.weight": weight, "norm.weight": scale})
    torch.testing.assert_close(ours(TOKENS), theirs(TOKENS))


def test_qformer_is_that_of_blip_2() -> None:
    config = Blip2QFormerConfig(
        hidden_size=8,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=32,
        encoder_hidden_size=6,
        cross_attention_frequency=2,
        use_qformer_text_input=False,
    )
    theirs = Blip2QFormerModel(config).eval()
    ours: Any = build_projector("qformer", width_in=6, width_out=8, grid=(8, 8), latents=3, depth=3, heads=2, width=8)
    ours.linear.load_state_dict({"weight": torch.eye(8), "bias": torch.zeros(8)})
    missing, unexpected = ours.load_state_dict(
        {_blip_name(key): value for key, value in theirs.state_dict().items()}, strict=False
    )
    assert (sorted(missing), unexpected) == (["linear.bias", "linear.weight", "queries.weight"], [])
    queries = ours.queries.weight[None].expand(2, -1, -1)
    expected = theirs(query_embeds=queries, encoder_hidden_states=TOKENS).last_hidden_state
    torch.testing.assert_close(ours(TOKENS), expected)


def _blip_name(key: str) -> str:
    pairs = {
        "encoder.layer.": "layers.",
        "crossattention.": "image.",
        "attention.output.dense": "own.out",
        "attention.output.LayerNorm": "own.norm",
        "image.output.dense": "image.out",
        "image.output.LayerNorm": "image.norm",
        "attention.attention.": "own.",
        "image.attention.": "image.",
        "intermediate_query.dense": "up",
        "output_query.dense": "down",
        "output_query.LayerNorm": "norm",
    }
    for theirs, ours in pairs.items():
        key = key.replace(theirs, ours)
    return key.replace("layernorm.", "norm.") if key.startswith("layernorm") else key


def test_spatial_pool_averages_blocks_of_a_volume() -> None:
    project: Any = build_projector("spatial_pool", width_in=1, width_out=1, grid=(2, 4, 4), pool=[2, 2, 4])
    values = torch.arange(32.0).reshape(2, 4, 4)
    blocks = F.avg_pool3d(values[None, None], (2, 2, 4)).flatten()[None, :, None]
    expected = project.down(project.act(project.up(blocks)))
    torch.testing.assert_close(project(values.reshape(1, 32, 1)), expected)
    assert projected_grid("spatial_pool", (2, 4, 4), pool=[2, 2, 4]) == (1, 2, 1)


def test_abstractor_sees_neighbours_and_places() -> None:
    torch.manual_seed(0)
    options: Any = {"tokens": 4, "depth": 2, "hidden": 8}
    project: Any = build_projector("c_abstractor", width_in=6, width_out=8, grid=(8, 8), **options)
    turned = TOKENS.reshape(2, 8, 8, 6).transpose(1, 2).reshape(2, 64, 6)
    assert (project(TOKENS) - project(turned)).abs().max() > 1e-4
    project(TOKENS).sum().backward()
    assert all(weight.grad is not None for weight in project.parameters())


@pytest.mark.parametrize(
    ("kind", "grid", "options", "message"),
    [
        ("average_pool", (6, 6), {"pool": 4}, r"pool=4 does not tile a grid of 6 x 6"),
        ("spatial_pool", (4, 6, 6), {"pool": [2, 2]}, r"pool=\[2, 2\] does not tile a grid of 4 x 6 x 6"),
        ("pixel_shuffle", (5, 4), {}, "merge=2 does not tile a grid of 5 x 4"),
        ("c_abstractor", (8, 8), {"tokens": 10}, "tokens=10 is no square number; choose 9 or 16"),
        ("c_abstractor", (8, 8), {}, "needs a grid of 12 x 12 tokens at least, the encoder gives 8 x 8"),
        ("qformer", (8, 8), {"heads": 5, "width": 8}, "heads=5, width=8"),
    ],
)
def test_numbers_that_do_not_fit_are_named(kind: Any, grid: Any, options: Any, message: Any) -> None:
    with pytest.raises(ValueError, match=message):
        projected_grid(kind, grid, **options)


@pytest.mark.parametrize(
    "projector",
    [
        {"kind": "pixel_shuffle"},
        {"kind": "average_pool"},
        {"kind": "spatial_pool"},
        {"kind": "c_abstractor", "tokens": 4, "depth": 1, "hidden": 8},
        {"kind": "perceiver", "latents": 4, "heads": 2},
        {"kind": "qformer", "latents": 4, "depth": 2, "heads": 2, "width": 8},
    ],
    ids=lambda options: options["kind"],
)
def test_every_projector_learns_and_is_saved(projector: Any, make_vlm: Any, tokenizer: Any, tmp_path: Path) -> None:
    model, processor = make_vlm(tokenizer, projector=projector)
    assert processor.count_tokens("image") == model.config.image_tokens == 4
    pixels = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    ids = torch.tensor([processor.token_ids(f"{name} <image>") for name in ("yes", "no")])
    logits = model(input_ids=ids, pixel_values=pixels).logits
    logits.square().mean().backward()
    used = model.model.multi_modal_projector.named_parameters()
    assert [name for name, weight in used if weight.grad is None or not weight.grad.any()] == []
    model.save_pretrained(tmp_path)
    again = AutoModelForImageTextToText.from_pretrained(tmp_path).eval()
    torch.testing.assert_close(again(input_ids=ids, pixel_values=pixels).logits, logits)
