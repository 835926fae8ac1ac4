"""What every test shares: one thread, no network, a tiny model, the real data where it is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

ROOT = Path(__file__).resolve().parents[1]
WORDS = "Is there a pleural effusion pneumothorax nodule on the left right side ? Yes No normal heart enlarged lung"


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real public files; a test that needs it is skipped where it is absent."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real data: {folder} is absent")
    return folder


@pytest.fixture
def tiny() -> tuple[Any, Any]:
    """A fresh composed model of about a million parameters, and its processor."""
    from medvlm.models import tiny_vlm, train_tokenizer

    return tiny_vlm(train_tokenizer([WORDS] * 4, 512), image_size=32, seed=0)
