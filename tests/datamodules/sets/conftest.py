"""Real files beside the checkout, and small sets in the released layouts."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"


def _real(name: str) -> Path:
    if not (DATA / name).is_dir():
        pytest.skip(f"no ../shared/data/{name}: the real set is not beside this checkout")
    return DATA / name


@pytest.fixture
def vqa_rad() -> Path:
    return _real("vqa_rad")


@pytest.fixture
def slake() -> Path:
    return _real("slake")


@pytest.fixture
def png(tmp_path: Path) -> Callable[..., Path]:
    """Write a grey PNG whose pixels differ by seed."""

    def write(name: str, seed: int = 0, root: Path = tmp_path) -> Path:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(seed).integers(0, 255, (8, 8), dtype=np.uint8)).save(path)
        return path

    return write


@pytest.fixture
def jsonl(tmp_path: Path) -> Callable[..., Path]:
    """Write records, or raw lines, as a JSONL file."""

    def write(*records: dict[str, Any] | str, name: str = "data.jsonl") -> Path:
        path = tmp_path / name
        lines = [record if isinstance(record, str) else json.dumps(record) for record in records]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return write


def rexvqa_record(**changes: Any) -> dict[str, Any]:
    """One record in the documented form of ReXVQA."""
    record = {
        "question": "Which finding is present?",
        "options": ["A. Pleural effusion", "B. Pneumothorax", "C. Cardiomegaly", "D. No finding"],
        "correct_answer": "B",
        "correct_answer_explanation": "A thin line without markings beyond it.",
        "task_name": "presence_assessment",
        "category": "Presence Assessment",
        "class": "Pleura",
        "subcategory": "Pneumothorax",
        "study_id": "s1",
        "PatientID": "p1",
        "ImagePath": ["../deid_png/p1/a/front.png", "../deid_png/p1/a/side.png"],
        "ImageViewPosition": ["PA", "LATERAL"],
    }
    return {**record, **changes}


@pytest.fixture
def rexvqa(tmp_path: Path) -> Callable[..., Path]:
    """Write a ReXVQA test split: each argument changes the standard record."""

    def write(*changes: dict[str, Any], file: str = "test_vqa_data.json") -> Path:
        root = tmp_path / "rexvqa"
        (root / "metadata").mkdir(parents=True, exist_ok=True)
        records = {f"q{n}": rexvqa_record(**change) for n, change in enumerate(changes or ({},))}
        (root / "metadata" / file).write_text(json.dumps(records), encoding="utf-8")
        return root

    return write


@pytest.fixture
def released(tmp_path: Path) -> Callable[[str], Path]:
    """Write the small release of a set (``releases/<name>.py``) and return its root."""

    def write(name: str) -> Path:
        path = Path(__file__).parent / "releases" / f"{name}.py"
        spec = importlib.util.spec_from_file_location(f"release_{name}", path)
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        module.write(tmp_path / name)
        return tmp_path / name

    return write
