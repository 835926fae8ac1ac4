"""A saved model that stops at once, and copies of pydicom's own CT slice with a patient's name in them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CANARY = "Zebedee^Quux"
IDENTIFYING = (
    "PatientName", "PatientID", "StudyDescription", "SeriesDescription", "InstitutionName", "ReferringPhysicianName",
    "OperatorsName", "AccessionNumber", "PatientComments", "ImageComments", "StudyID", "ProtocolName",
)  # fmt: skip


def save_tiny(folder: Path, *, silent: bool) -> Path:
    import torch

    from medvlm.models import tiny_vlm, train_tokenizer

    model, processor = tiny_vlm(train_tokenizer(["Is there a nodule ? Yes No"] * 4, 512), image_size=32)
    if silent:  # equal scores: the first token that may be drawn is the one that ends
        torch.nn.init.zeros_(model.get_parameter("model.language_model.norm.weight"))
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def silent_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("silent") / "model", silent=True)


@pytest.fixture(scope="session")
def talking_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("talking") / "model", silent=False)


@pytest.fixture
def write_study() -> Callable[..., Path]:
    """Write a study of one image; every text that could name a patient is the canary."""
    from pydicom import dcmread
    from pydicom.data import get_testdata_file

    def write(path: Path, number: int, **more: Any) -> Path:
        data = dcmread(str(get_testdata_file("CT_small.dcm")))
        for keyword in IDENTIFYING:
            setattr(data, keyword, CANARY)
        block = data.private_block(0x0011, "Zebedee", create=True)
        block.add_new(0x01, "LO", CANARY)
        data.StudyInstanceUID, data.SeriesInstanceUID, data.SOPInstanceUID = (
            f"1.2.{number}",
            f"1.2.{number}.1",
            f"1.2.{number}.1.1",
        )
        data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
        for keyword, value in more.items():
            setattr(data, keyword, value)
        path.parent.mkdir(parents=True, exist_ok=True)
        data.save_as(path, enforce_file_format=True)
        return path

    return write
