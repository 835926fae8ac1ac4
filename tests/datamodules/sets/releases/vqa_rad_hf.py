"""VQA-RAD on Hugging Face: image, question and answer in the cells of a parquet file."""

from __future__ import annotations

import importlib
from pathlib import Path

KEPT, ABSENT = 3, 0
SKIPPED = {"no image": 1}
TABLE = "data/test-00000-of-00001-e5bc3d208bb4deeb.parquet"


def write(root: Path) -> None:
    first, second = b"\xff\xd8\xff not decoded", b"\x89PNG not decoded"
    images = [{"bytes": data, "path": None} for data in (first, second, first, b"")]
    columns = {
        "image": images,
        "question": ["Is there an effusion?", "What organ is shown?", "Is it normal?", "No picture?"],
        "answer": ["No", "lung", "yes", "yes"],
    }
    (root / "data").mkdir(parents=True)
    table = importlib.import_module("pyarrow").table(columns)
    importlib.import_module("pyarrow.parquet").write_table(table, root / TABLE)
