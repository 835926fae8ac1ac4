"""``python tools/bench/model.py``: the composed model and transformers' own LLaVA class at equal sizes, side by side.

The same SigLIP tower, two-layer projector and Qwen 3 decoder with the same weights, the same images and tokens. First
their logits and losses must agree: exit status 1 if they do not. Then forward passes and train steps (forward,
backward, AdamW) alternate, A B A B; the first of each side warms up. Medians of CPU and wall time, and their ratio:
above 1 the composed model is the faster one.

``--dtype bfloat16`` and ``--compile`` measure those paths; they also print how far logits are from those of fp32.
``--mfu 1b`` and ``--mfu 4b`` measure something else: model FLOPs utilisation on a GPU, see ``tools/bench/mfu.py``.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from torch import Tensor
from transformers import LlavaConfig, LlavaForConditionalGeneration

from medvlm.models import build_vlm, tiny_decoder, train_tokenizer
from tools.bench import mfu
from tools.bench.machine import Clock, Spent, describe, medians, versions, write_json

AGREE = 1e-4  # of logits and losses in fp32
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True, slots=True)
class Size:
    """Numbers of a bench."""

    image: int
    patch: int
    vision: tuple[int, int]  # width, layers
    decoder: tuple[int, int]
    vocabulary: int
    batch: int
    text: int  # tokens of a row beside its image


SIZES = {
    "tiny": Size(32, 8, (32, 2), (32, 1), 512, 2, 8),
    "small": Size(224, 16, (256, 6), (256, 6), 8192, 4, 60),
}


def main(arguments: list[str] | None = None) -> int:
    """Compare, measure, print and write."""
    options = _parser().parse_args(arguments)
    if options.steps < 1:
        raise SystemExit(f"--steps {options.steps}: at least one step is timed.")
    if options.mfu is not None:
        mfu.show(mfu.measure(options.mfu, mfu.Work(), peak_tflops=options.peak_tflops))
        return 0
    torch.set_num_threads(1)
    result = measure(SIZES[options.size], options.steps, DTYPES[options.dtype], compiled=options.compile)
    result |= {"size": options.size, "dtype": options.dtype, "compiled": options.compile}
    result |= {"machine": describe(), "versions": versions("torch", "transformers")}
    show(result)
    if options.json is not None:
        write_json(options.json, result)
    return int(not result["difference"] <= AGREE)


def measure(size: Size, steps: int, dtype: torch.dtype, *, compiled: bool) -> dict[str, Any]:
    """Figures of both sides over ``steps`` rounds after a first one, and how far their outputs are apart."""
    ours = compose(size)
    theirs = llava(ours)
    batch = inputs(ours, size)
    result: dict[str, Any] = {"difference": difference(ours, theirs, batch)}
    reference = scores(ours, batch)
    models = {"ours": ours.to(dtype), "llava": theirs.to(dtype)}
    batch["pixel_values"] = batch["pixel_values"].to(dtype)
    if compiled:
        for model in models.values():
            model.compile()
    result["from_fp32"] = float((scores(models["ours"], batch) - reference).abs().max() / reference.abs().max())
    for work, run in WORK.items():
        spent: dict[str, list[Spent]] = {name: [] for name in models}
        calls = {name: run(deepcopy(model), batch) for name, model in models.items()}
        for _ in range(steps + 1):
            for name, call in calls.items():
                clock = Clock()
                call()
                spent[name].append(clock.stop())
        sides = {name: medians(times[1:]) for name, times in spent.items()}
        ratios = {f"ratio_{kind}": sides["llava"][f"{kind}_s"] / sides["ours"][f"{kind}_s"] for kind in ("cpu", "wall")}
        result[work] = sides | ratios
    return result | {"steps": steps}


def compose(size: Size) -> Any:
    """The composed model, random weights."""
    (width, layers), (decoder_width, decoder_layers) = size.vision, size.decoder
    encoder = {"image_size": size.image, "patch_size": size.patch, "width": width, "layers": layers}
    model, _ = build_vlm(
        encoder={"name": "siglip_tiny", **encoder},
        decoder=tiny_decoder("qwen3", width=decoder_width, layers=decoder_layers, vocab_size=size.vocabulary),
        projector={"kind": "mlp", "merge": 1},
        compressor={"kind": "slices_pool", "tokens": 16, "depth": 1},
        tokenizer=train_tokenizer([], 300),
    )
    model.resize_token_embeddings(size.vocabulary, mean_resizing=False)
    projector: Any = model.model.multi_modal_projector
    projector.norm = torch.nn.Identity()  # LLaVA's projector has none: equal work
    model.config.vision_layer = -2  # as LLaVA reads its tower: before the last layer and the norm
    model.eval()  # type: ignore[no-untyped-call]
    return model


def llava(ours: Any) -> Any:
    """LLaVA of the same parts, with the same weights."""
    config = ours.config
    theirs: Any = LlavaForConditionalGeneration(
        LlavaConfig(
            vision_config=config.vision_config,
            text_config=config.text_config,
            image_token_index=config.image_token_id,
            projector_hidden_act="gelu",
            vision_feature_layer=-2,
            vision_feature_select_strategy="full",
            image_seq_length=config.image_tokens,
            tie_word_embeddings=config.tie_word_embeddings,
        )
    )
    mine, other = ours.model, theirs.model
    other.vision_tower.load_state_dict(mine.vision_tower.state_dict())
    other.language_model.load_state_dict(mine.language_model.state_dict())
    theirs.lm_head.load_state_dict(ours.lm_head.state_dict())
    for name, source in (("linear_1", "up"), ("linear_2", "down")):
        getattr(other.multi_modal_projector, name).load_state_dict(
            getattr(mine.multi_modal_projector, source).state_dict()
        )
    return theirs.eval()


def inputs(model: Any, size: Size) -> dict[str, Tensor]:
    """A batch of rows that start with an image each."""
    draw = torch.Generator().manual_seed(0)
    token = int(model.config.image_token_id)
    text = torch.randint(300, size.vocabulary, (size.batch, size.text), generator=draw)
    ids = torch.cat([torch.full((size.batch, model.config.image_tokens), token), text], dim=1)
    pixels = torch.randn(size.batch, 3, size.image, size.image, generator=draw)
    return {"input_ids": ids, "pixel_values": pixels, "labels": ids.masked_fill(ids == token, -100)}


@torch.no_grad()
def scores(model: Any, batch: dict[str, Tensor]) -> Tensor:
    """Logits in fp32."""
    logits: Tensor = model(**batch, use_cache=False).logits.float()
    return logits


@torch.no_grad()
def difference(ours: Any, theirs: Any, batch: dict[str, Tensor]) -> float:
    """Largest difference of logits and loss."""
    one, other = ours(**batch, use_cache=False), theirs(**batch, use_cache=False)
    return max(float((one.logits - other.logits).abs().max()), float((one.loss - other.loss).abs()))


def forward(model: Any, batch: dict[str, Tensor]) -> Callable[[], object]:
    """A forward pass without gradients."""
    return partial(scores, model, batch)


def train(model: Any, batch: dict[str, Tensor]) -> Callable[[], object]:
    """A step of AdamW on every part."""
    optimizer = torch.optim.AdamW(
        [weight for name, weight in model.named_parameters() if "compressor" not in name], lr=1e-4
    )
    model.train()

    def step() -> None:
        optimizer.zero_grad()
        model(**batch, use_cache=False).loss.backward()
        optimizer.step()

    return step


WORK: dict[str, Callable[[Any, dict[str, Tensor]], Callable[[], object]]] = {"forward": forward, "train": train}


def show(result: dict[str, Any]) -> None:
    """Print both sides and what they were measured on."""
    print(f"{'':10}{'':10}{'LLaVA':>10}{'medvlm':>10}{'ratio':>8}")
    for work in WORK:
        for kind in ("cpu", "wall"):
            sides = result[work]
            print(
                f"{work:10}{kind + ' s':10}{sides['llava'][f'{kind}_s']:10.3f}{sides['ours'][f'{kind}_s']:10.3f}"
                f"{sides[f'ratio_{kind}']:8.2f}"
            )
    print(
        f"medians of {result['steps']}; logits and losses differ by at most {result['difference']:.1e} (fp32); "
        f"{result['dtype']}{', compiled' * result['compiled']}: {result['from_fp32']:.1e} of the largest from fp32"
    )
    print(", ".join(f"{name} {value}" for name, value in (result["machine"] | result["versions"]).items()))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--steps", type=int, default=7, help="timed rounds (default 7)")
    parser.add_argument("--size", choices=sorted(SIZES), default="small")
    parser.add_argument("--dtype", choices=sorted(DTYPES), default="float32")
    parser.add_argument("--mfu", choices=sorted(mfu.SIZES), help="MFU of SFT at this size instead (CUDA)")
    parser.add_argument("--peak-tflops", type=float, default=989.0, help="dense bf16 peak of the GPU (default H100's)")
    parser.add_argument("--compile", action="store_true", help="both sides through torch.compile")
    return parser


if __name__ == "__main__":
    sys.exit(main())
