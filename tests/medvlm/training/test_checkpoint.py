"""Checkpoints: one rename or nothing, no pickled code, no other architecture."""

from __future__ import annotations

import errno
import io
import os
import pickle
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from safetensors.torch import load_file

from medvlm.files import atomic_folder
from medvlm.generation.engine import Ask
from medvlm.models import add_lora, tiny_decoder, tiny_vlm
from medvlm.study import WeightsError
from medvlm.training import checkpoint
from medvlm.training.checkpoint import SafeCheckpointIO, latest_checkpoint
from medvlm.training.sft import SFT
from medvlm.training.step import Schedule

STATE: dict[str, Any] = {
    "state_dict": {"w": torch.arange(6.0).reshape(2, 3)},
    "optimizer_states": [
        {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 1e-3, "betas": (0.9, 0.99)}]}
    ],
    "loops": {"fit_loop": {"epoch": 1, "name": None}},
    "batches_done": 3,
}


class Bomb:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.path),))


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    SafeCheckpointIO().save_checkpoint(STATE, tmp_path / "step-000003")
    return tmp_path / "step-000003"


def test_what_is_saved_comes_back(saved: Path) -> None:
    found = SafeCheckpointIO().load_checkpoint(saved)
    assert torch.equal(found["state_dict"]["w"], STATE["state_dict"]["w"])
    assert found["optimizer_states"] == STATE["optimizer_states"]
    assert (found["batches_done"], found["loops"]) == (3, STATE["loops"])
    assert sorted(path.name for path in saved.iterdir()) == ["complete", "state.pt", "weights.safetensors"]


def test_the_weights_are_plain_safetensors(saved: Path) -> None:
    assert torch.equal(load_file(saved / "weights.safetensors")["w"], STATE["state_dict"]["w"])


@pytest.mark.parametrize("function", ["save_file", "torch.save"])
def test_a_full_disk_leaves_the_checkpoint_before(saved: Path, monkeypatch: pytest.MonkeyPatch, function: str) -> None:
    def full(state: Any, path: Path) -> None:
        path.write_bytes(b"the first half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(f"medvlm.training.checkpoint.{function}", full)
    for name in ("step-000006", "step-000003"):
        with pytest.raises(OSError, match="No space left"):
            SafeCheckpointIO().save_checkpoint(STATE, saved.with_name(name))
    assert [path.name for path in saved.parent.iterdir()] == ["step-000003"]
    assert SafeCheckpointIO().load_checkpoint(saved)["batches_done"] == 3


def test_a_checkpoint_of_the_same_name_is_replaced(saved: Path) -> None:
    SafeCheckpointIO().save_checkpoint(STATE | {"batches_done": 9}, saved)
    assert SafeCheckpointIO().load_checkpoint(saved)["batches_done"] == 9
    assert [path.name for path in saved.parent.iterdir()] == ["step-000003"]


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".model.12345").mkdir()
    (tmp_path / ".model.12345" / "half").touch()
    with atomic_folder(tmp_path / "model") as folder:
        (folder / "whole").touch()
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_the_latest_is_the_highest_complete_step(saved: Path) -> None:
    SafeCheckpointIO().save_checkpoint(STATE, saved.with_name("step-000010"))
    SafeCheckpointIO().save_checkpoint(STATE, saved.with_name("step-000020"))
    (saved.with_name("step-000020") / "complete").unlink()
    (saved.with_name(".step-000030.77")).mkdir()
    assert latest_checkpoint(saved.parent) == saved.with_name("step-000010")


def test_no_folder_and_an_empty_one_have_no_checkpoint(tmp_path: Path) -> None:
    assert latest_checkpoint(tmp_path) is None
    assert latest_checkpoint(tmp_path / "absent") is None


@pytest.mark.parametrize("name", ["complete", "state.pt", "weights.safetensors"])
def test_a_torn_checkpoint_names_what_is_missing(saved: Path, name: str) -> None:
    (saved / name).unlink()
    with pytest.raises(WeightsError, match=f"{name} is missing"):
        SafeCheckpointIO().load_checkpoint(saved)


@pytest.mark.parametrize("name", ["state.pt", "weights.safetensors"])
@pytest.mark.parametrize("keep", [0, 1, 0.5])
def test_a_cut_file_is_named(saved: Path, name: str, keep: float) -> None:
    content = (saved / name).read_bytes()
    (saved / name).write_bytes(content[: int(keep * len(content)) if keep < 1 else 1])
    with pytest.raises(WeightsError, match=name):
        SafeCheckpointIO().load_checkpoint(saved)


def plain_pickle(bomb: Bomb) -> bytes:
    return pickle.dumps({"batches_done": bomb})


def torch_archive(bomb: Bomb) -> bytes:
    buffer = io.BytesIO()
    torch.save({"batches_done": bomb}, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["state.pt", "weights.safetensors"])
@pytest.mark.parametrize("pack", [plain_pickle, torch_archive])
def test_a_pickle_is_refused_and_runs_nothing(saved: Path, tmp_path: Path, name: str, pack: Any) -> None:
    (saved / name).write_bytes(pack(Bomb(tmp_path / "boom")))
    with pytest.raises(WeightsError, match=name):
        SafeCheckpointIO().load_checkpoint(saved)
    assert not (tmp_path / "boom").exists()
    pickle.loads(plain_pickle(Bomb(tmp_path / "boom")))
    assert (tmp_path / "boom").exists()  # the bomb does go off where it is let in


def test_a_pickled_state_says_why_it_is_refused(saved: Path, tmp_path: Path) -> None:
    (saved / "state.pt").write_bytes(torch_archive(Bomb(tmp_path / "boom")))
    with pytest.raises(WeightsError, match="could run code"):
        SafeCheckpointIO().load_checkpoint(saved)


def trainer() -> lightning.Trainer:
    return lightning.Trainer(
        accelerator="cpu",
        max_epochs=1,
        logger=False,
        plugins=[SafeCheckpointIO()],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def run(module: SFT, batch: list[Ask], path: Path | None = None) -> lightning.Trainer:
    loader: Any = torch.utils.data.DataLoader([batch], batch_size=None, collate_fn=lambda item: item)  # type: ignore[arg-type]
    running = trainer()
    running.fit(module, loader, ckpt_path=path, weights_only=True)
    return running


def module_of(pair: Any) -> SFT:
    return SFT(*pair, Schedule(lr=1e-3, steps=2))


def test_a_checkpoint_of_another_architecture_is_refused_by_name(tiny: Any, batch: list[Ask], tmp_path: Path) -> None:
    run(module_of(tiny), batch).save_checkpoint(tmp_path / "step-000001")
    other = tiny_vlm(tiny[1].tokenizer, image_size=32, decoder=tiny_decoder(width=64))
    with pytest.raises(ValueError, match=r"another model: \d+ weights differ, the first is model\."):
        run(module_of(other), batch, tmp_path / "step-000001")


def test_a_checkpoint_holds_trained_weights_only(tiny: Any, batch: list[Ask], tmp_path: Path) -> None:
    add_lora(tiny[0], ["decoder"], rank=2)
    run(module_of(tiny), batch).save_checkpoint(tmp_path / "step-000001")
    kept = load_file(tmp_path / "step-000001" / "weights.safetensors")
    assert kept
    assert all("lora_" in name for name in kept)
    assert "pickle" not in checkpoint.__dict__
