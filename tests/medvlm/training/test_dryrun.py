"""Planning a run from configurations alone: published parameter totals, exact tokens, memory by hand, refusals."""

from __future__ import annotations

import json
import re
import resource
import shlex
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image
from transformers import AutoModel

from medvlm.config import load_config
from medvlm.datamodules.sets import load_set
from medvlm.generation.prompts import Prompter
from medvlm.models import load_vlm, tiny_vlm, train_tokenizer
from medvlm.models.encoders import encode, image_size
from medvlm.models.encoders.volume import encode_volume
from medvlm.settings import ModelSettings, Recipe, TrainerSettings
from medvlm.study import WeightsError
from medvlm.training.configuration import plan_config
from medvlm.training.dryrun import DryRun, dry_run
from medvlm.training.fitting import device_gib, shares
from medvlm.training.footprint import Load, Tower, estimate
from medvlm.training.run import prepare
from medvlm.training.saved_values import encoder_values

HERE = Path(__file__).parent / "configs"
RECIPES = Path(__file__).parents[3] / "configs"
CORPUS = ["Which finding is shown? A) pleural effusion B) pneumothorax C) nodule D) none of these"] * 4


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Full-size models without weights, by the Hub names that they stand for; and a small set of ReXVQA's form."""
    root = tmp_path_factory.mktemp("full")
    found = {}
    names = {"google/medsiglip-448": "medsiglip", "Qwen/Qwen3-4B": "qwen3_4b", "google/medgemma-4b-it": "medgemma_4b"}
    for name, folder in names.items():
        found[name] = shutil.copytree(HERE / folder, root / folder)
    train_tokenizer(CORPUS, 400).save_pretrained(found["Qwen/Qwen3-4B"])
    found["REXVQA"] = write_rexvqa(root / "rexvqa")
    return found


def write_rexvqa(root: Path) -> Path:
    records = {}
    for index in range(6):
        path = root / "deid_png" / f"P{index // 2}" / "1.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8)).save(path)
        records[str(index)] = {
            "question": f"Which finding is shown {index}?",
            "options": ["A. pleural effusion", "B. pneumothorax", "C. nodule", "D. none of these"],
            "correct_answer": "B",
            "correct_answer_explanation": "A thin line without markings beyond it.",
            "PatientID": f"P{index // 2}",
            "ImagePath": [f"../deid_png/P{index // 2}/1.png"],
            "task_name": "presence",
        }
    (root / "metadata").mkdir()
    (root / "metadata" / "train_vqa_data.json").write_text(json.dumps(records), encoding="utf-8")
    return root


def header_lines() -> list[list[str]]:
    """Arguments of every command in the recipe's header that changes the recipe."""
    comment = "".join(line for line in (RECIPES / "cxr_r1.yaml").open(encoding="utf-8") if line.startswith("#"))
    text = re.sub(r"\\?\n#\s*(?=\S)", " ", re.sub(r"\n#[ \t]*(?=\n)", "\n\n", comment))
    found = [shlex.split(line.partition("tools/train.py")[2]) for line in text.splitlines() if "tools/train.py" in line]
    return [arguments for arguments in found if len(arguments) > 1]


def settings(arguments: list[str], folders: dict[str, Path]) -> Recipe:
    for name, folder in folders.items():
        arguments = [argument.replace(f"={name}", f"={folder}") for argument in arguments]
    return load_config(RECIPES / arguments[0].removeprefix("configs/"), arguments[1:])


def plan(arguments: list[str], folders: dict[str, Path]) -> DryRun:
    return dry_run(settings(arguments, folders))


# --- the full-size runs that the recipe names ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def composed(folders: dict[str, Path]) -> DryRun:
    return plan(header_lines()[0], folders)


@pytest.fixture(scope="module")
def medgemma(folders: dict[str, Path]) -> DryRun:
    return plan(header_lines()[1], folders)


def test_the_header_names_both_runs() -> None:
    first, second = header_lines()
    assert {"model.encoder=google/medsiglip-448", "model.decoder=Qwen/Qwen3-4B", "data.set=rexvqa"} <= set(first)
    assert {"model.source=google/medgemma-4b-it", "data.set=rexvqa"} <= set(second)


def test_parameters_of_medsiglip_and_qwen3(composed: DryRun) -> None:
    # published: SigLIP so400m vision 428.2 M, of which the pooling head, which is not used, is 15.2 M + probe and norms
    head = 4 * 1152 * 1152 + 4 * 1152 + 2 * 1152 * 4304 + 4304 + 1152 + 3 * 1152
    assert composed.parameters["vision"] + head == pytest.approx(0.4282e9, rel=0.02)
    assert composed.parameters["decoder"] == pytest.approx(4.02e9, rel=0.02)


def test_parameters_of_medgemma(medgemma: DryRun) -> None:
    assert sum(medgemma.parameters.values()) == pytest.approx(4.3e9, rel=0.02)
    assert medgemma.parameters["vision"] == pytest.approx(0.417e9, rel=0.02)


def test_only_adapters_and_the_projector_are_trained(composed: DryRun) -> None:
    # rank 64 on q, k, v, o and the three maps of the MLP of 36 layers
    maps = [(2560, 4096), (2560, 1024), (2560, 1024), (4096, 2560), (2560, 9728), (2560, 9728), (9728, 2560)]
    assert composed.trainable["decoder"] == 36 * 64 * sum(rows + columns for rows, columns in maps)
    assert composed.trainable["projector"] == composed.parameters["projector"]
    assert composed.trainable["vision"] == 0


def test_tokens_of_an_image(composed: DryRun, medgemma: DryRun) -> None:
    assert (composed.image_tokens, medgemma.image_tokens) == ((448 // 14 // 2) ** 2, 256)
    assert composed.max_positions == 40960


def test_tokens_of_a_sample_are_the_prompters(composed: DryRun, folders: dict[str, Path]) -> None:
    shown = composed.stages[0].prompt
    assert 256 < shown.mean <= shown.most < 256 + 200
    assert composed.stages[0].questions == 2.0
    assert composed.stages[0].groups == 3


def test_weights_take_two_bytes_a_parameter_in_bf16(composed: DryRun) -> None:
    memory = composed.stages[1].memory
    assert memory.weights == 2 * sum(composed.parameters.values())
    assert memory.gradients == 2 * sum(composed.trainable.values())
    assert memory.optimizer == 2 * memory.gradients
    assert memory.reference == 0
    assert 8 * 2**30 < memory.peak < 80 * 2**30


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["trainer.memory_gb=80"], None),
        (["trainer.memory_gb=12"], "does not fit a device of 12 GiB: lower micro_tokens"),
        (["trainer.memory_gb=80", "model.lora=null"], "does not fit a device of 80 GiB: lower micro_tokens"),
        (["trainer.memory_gb=24", "model.lora=null"], "of it stay. Train adapters (model.lora)"),
    ],
)
def test_what_does_not_fit_a_device_is_said(arguments: Any, said: str | None, folders: dict[str, Path]) -> None:
    found = plan([*header_lines()[0], *arguments], folders)
    shown = [note for note in found.notes if "does not fit" in note]
    assert bool(shown) == (said is not None)
    assert all(said is not None and said in note for note in shown)
    assert all(note in str(found) for note in shown)


def test_the_text_says_it_all(composed: DryRun, medgemma: DryRun) -> None:
    text = str(composed)
    for part in ("4.022 B", "256 an image", "stage sft (sft): 8,000 batches", "bf16-true", "downloaded: nothing"):
        assert part in text
    assert "4.300 B" in str(medgemma)


def test_no_weight_is_allocated(folders: dict[str, Path]) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    plan(header_lines()[0], folders)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before  # KiB
    assert grown < 2**20  # 1 GiB; the weights would be 8.3


# --- small runs, against what is really built ------------------------------------------------------------------------


def test_a_small_recipe_is_planned_as_it_is_built(tmp_path: Path) -> None:
    model, processor = tiny_vlm(train_tokenizer(CORPUS, 400), image_size=32)
    model.save_pretrained(tmp_path / "tiny")
    processor.save_pretrained(tmp_path / "tiny")
    root = write_rexvqa(tmp_path / "rexvqa")
    arguments = [f"model.source={tmp_path / 'tiny'}", "data.set=rexvqa", f"data.root={root}", "data.options={}"]
    stages = "stages=[{name: grpo, objective: grpo, beta: 0.1, steps: 6, images: 3}]"
    recipe = load_config(RECIPES / "cxr_r1.yaml", [*arguments, stages])
    found = dry_run(recipe)
    built, its_processor = load_vlm(tmp_path / "tiny")
    assert sum(found.parameters.values()) == sum(parameter.numel() for parameter in built.parameters())
    prompter = Prompter(its_processor, reasoning=True)
    lengths = [len(prompter.prompt(sample)) for sample in load_set("rexvqa", root, "train")]
    assert found.stages[0].prompt.most == max(lengths)
    assert found.stages[0].prompt.mean == pytest.approx(sum(lengths) / 6)
    assert found.stages[0].memory.reference == found.stages[0].memory.weights
    assert "6 batches of 3 contexts = 18, 6 epochs of 3" in str(found)
    assert "about 288 completions" in str(found)  # 18 contexts x 2 questions x 8


def embedded(path: Path) -> bool:
    """Whether a recipe needs nothing from the hub and no earlier run."""
    model = load_config(path).model
    encoder = model.encoder if isinstance(model.encoder, str) else str(model.encoder["name"])
    return model.source is None and isinstance(model.decoder, dict) and "/" not in encoder


EMBEDDED = [path for path in sorted(RECIPES.glob("*.yaml")) if embedded(path)]


@pytest.mark.parametrize("path", EMBEDDED, ids=lambda path: path.stem)
def test_every_embedded_recipe_can_be_planned_before_its_data_is_there(path: Path, tmp_path: Path) -> None:
    found = dry_run(load_config(path, [f"output={tmp_path}"]))
    assert 0 < sum(found.trainable.values()) == sum(found.parameters.values()) < 10e6
    assert any(note.startswith("data ") for note in found.notes)
    assert not list(tmp_path.iterdir())


def test_chosen_and_rejected_are_two_branches(tmp_path: Path) -> None:
    pairs = dry_run(planned("dpo", tmp_path)).stages[0].memory
    free = dry_run(planned("simpo", tmp_path)).stages[0].memory
    single = dry_run(planned("sft", tmp_path)).stages[0].memory
    assert pairs.reference == pairs.weights
    assert free.reference == 0
    assert free.activations > single.activations


def planned(loss: str, folder: Path) -> Recipe:
    """The first stage of a shipped recipe, with an objective, without its data."""
    kind = "objective: sft" if loss == "sft" else f"objective: preference, loss: {loss}"
    stages = f"stages=[{{name: stage, {kind}, images: 1}}]"
    return load_config(RECIPES / "cxr_r1.yaml", [f"output={folder}", stages])


# --- what cannot be planned ------------------------------------------------------------------------------------------


def refuse(arguments: list[str]) -> str:
    with pytest.raises((WeightsError, ValueError)) as caught:
        dry_run(load_config(RECIPES / "cxr_r1.yaml", arguments))
    return str(caught.value)


def test_a_model_of_the_hub_that_is_not_here_says_what_to_do() -> None:
    message = refuse(["model.source=medvlm-tests/no-such-model"])
    assert "medvlm-tests/no-such-model is not on this machine" in message
    assert "hf download medvlm-tests/no-such-model --include '*.json'" in message


def test_a_folder_that_is_not_there_is_no_hub_name(tmp_path: Path) -> None:
    assert "There is no folder" in refuse([f"model.source={tmp_path / 'absent'}"])


def test_a_text_model_as_a_whole_model_is_refused() -> None:
    assert "does not read images" in refuse([f"model.source={HERE / 'qwen3_4b'}"])


def test_a_decoder_as_an_encoder_is_refused() -> None:
    assert "expected siglip" in refuse([f"model.encoder={HERE / 'qwen3_4b'}"])


def test_an_unknown_reward_is_found_before_anything_is_trained() -> None:
    assert "Unknown reward 'acuracy'" in refuse(["stages.grpo.rewards={acuracy: 1.0}"])


def test_an_unknown_intensity_recipe_is_found() -> None:
    assert "Unknown intensity recipes ['x-ray']" in refuse(["model.intensity=[x-ray]"])


def test_downloads_are_named_with_their_size(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folders["Qwen/Qwen3-4B"].parent)
    Path("org").mkdir(exist_ok=True)
    shutil.copytree("qwen3_4b", "org/model", dirs_exist_ok=True)
    inside = Path.is_dir
    monkeypatch.setattr(Path, "is_dir", lambda path: str(path) != "org/model" and inside(path))
    found = dry_run(load_config(RECIPES / "cxr_r1.yaml", ["model.decoder=org/model", f"output={folders['REXVQA']}"]))
    assert list(found.downloads) == ["org/model"]
    assert found.downloads["org/model"] == pytest.approx(2 * 4.02e9, rel=0.02)
    assert "would be downloaded: org/model (about 7.5 GiB)" in str(found)


def test_a_sample_that_is_too_long_is_noted(folders: dict[str, Path]) -> None:
    arguments = ["data.set=rexvqa", f"data.root={folders['REXVQA']}", "data.options={}"]
    stages = "stages=[{name: grpo, objective: grpo, max_new_tokens: 4000}]"
    found = dry_run(load_config(RECIPES / "cxr_r1.yaml", [*arguments, stages]))
    assert any("the decoder at most 1024" in note for note in found.notes)


# --- memory by hand --------------------------------------------------------------------------------------------------


def test_memory_by_hand() -> None:
    decoder = Tower(width=10, layers=2, vocabulary=100, cached=8)
    load = Load(tokens=6, row=3, counted=2, encoded=17 * 5 * 4 * 3, cached=7)
    found: Any = estimate(decoder, load, total=1000, trained=100, precision="bf16-mixed", reference=True)
    assert (found.weights, found.reference, found.gradients, found.optimizer) == (4000, 4000, 400, 800)
    # 17 values of 2 bytes: 34 * (6*10*2 + 5*4*3) = 6120; mask 6*3*2 = 36; scores 3 * 4 bytes * 2 * 100 = 2400
    assert found.activations == 6120 + 36 + 2400
    assert found.sampling == 7 * 8 * 2
    assert found.peak == 4000 + 4000 + 400 + 800 + found.activations
    assert found.held == found.peak - found.activations


def test_weights_in_4_bits_by_hand() -> None:
    found = estimate(None, None, total=1000, trained=100, small=800, precision="bf16-true", reference=False)
    # 4 bits, 8 for 64 weights, 32 for 64 * 256 of them: 4 + 1/8 + 1/512
    assert found.weights == pytest.approx(2 * 200 + 800 * (4 + 1 / 8 + 1 / 512) / 8, abs=1)


@pytest.mark.parametrize(
    ("encoder", "tolerance"),
    [("siglip_tiny", 0.1), ("swin_tiny", 0), ("vit3d_tiny", 0.1), ("ctvit_tiny", 0.1), ("monai_swin_tiny", 0),
     ("monai_resnet_tiny", 0), ("monai_vit_tiny", 0)],
)  # fmt: skip
def test_what_an_encoder_keeps_is_what_autograd_keeps(encoder: str, tolerance: float) -> None:
    config, _ = plan_config(ModelSettings(encoder=encoder))
    tower: Any = AutoModel.from_config(config.vision_config).train()
    size = image_size(config.vision_config) if config.reads_planes else config.volume_traits.size[1:]
    held: dict[int, Any] = {weight.untyped_storage().data_ptr(): None for weight in tower.parameters()}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.is_floating_point():
            held.setdefault(tensor.untyped_storage().data_ptr(), tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        if config.reads_planes:
            encode(tower, torch.zeros(1, 3, *size), config.vision_traits, -1)
        else:
            encode_volume(tower, torch.zeros(1, config.volume_traits.size[0], 3, *size))
    real = sum(one.untyped_storage().nbytes() // 4 for one in held.values() if one is not None)
    # attention kernels of the CPU keep no output but a sum a row
    assert max(encoder_values(config)) == pytest.approx(real, rel=tolerance)


# --- a size that cannot fit ------------------------------------------------------------------------------------------


def test_a_run_that_cannot_fit_is_refused_before_a_download(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("medvlm.training.run.build_model", lambda *unused, **more: pytest.fail("weights were read"))
    more = ["trainer.memory_gb=24", "model.lora=null", f"output={tmp_path}"]
    recipe = settings([*header_lines()[0], *more], folders)
    # 4.45 B parameters in bf16, as many gradients, two moments
    with pytest.raises(WeightsError, match=r"4\.\d\d B .* take 3\d\.\d GiB .* has 24\.0 GiB\. Train adapters"):
        prepare(recipe)


def test_a_gpu_says_its_own_memory_and_shards_share(monkeypatch: pytest.MonkeyPatch) -> None:
    assert device_gib(TrainerSettings(accelerator="cpu")) is None
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(total_memory=3 * 2**30))
    assert device_gib(TrainerSettings()) == 3
    assert device_gib(TrainerSettings(memory_gb=80)) == 80
    assert (shares(TrainerSettings(devices=8)), shares(TrainerSettings(devices=8, strategy="fsdp", nodes=2))) == (1, 16)
    assert shares(TrainerSettings(devices="0,1", strategy="fsdp")) == 2


def test_a_3d_encoder_that_is_trained_counts(tmp_path: Path) -> None:
    common = [f"output={tmp_path}", "model.encoder=vit3d", "model.intensity=[ct]"]
    trained, still = (
        dry_run(load_config(RECIPES / "ct_report.yaml", [*common, *more])).stages[0].memory
        for more in ([], ["model.freeze=[vision]"])
    )
    assert trained.activations - still.activations > 4 * 300e6
