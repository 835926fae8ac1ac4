"""A saved model of random weights, and a library of the system that some tests need."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as ``save_pretrained`` leaves it; do not write into it."""
    from medvlm.models import tiny_vlm, train_tokenizer

    folder = tmp_path_factory.mktemp("models") / "tiny"
    model, processor = tiny_vlm(
        train_tokenizer(["Is there a nodule effusion on the left right side ? Yes No"] * 4, 512), image_size=32
    )
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


@pytest.fixture
def pango() -> None:
    """Skip where pages cannot be printed: Pango is a library of the system."""
    from medvlm.reporting.writers import packages

    try:
        packages.weasyprint()
    except ImportError as error:
        pytest.skip(str(error))
