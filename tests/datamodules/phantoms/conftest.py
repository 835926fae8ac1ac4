"""One small phantom root for all tests here."""

from __future__ import annotations

from pathlib import Path

import pytest

from medvlm.datamodules.phantoms.thorax_files import make_thorax


@pytest.fixture(scope="session")
def phantom_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty virtual patients with radiographs and small volumes."""
    root = tmp_path_factory.mktemp("phantom") / "root"
    return make_thorax(root, patients=40, seed=3, size=64, modality="both", shape=(12, 24, 24))
