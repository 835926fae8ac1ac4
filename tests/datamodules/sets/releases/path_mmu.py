"""PathMMU: parts of splits in one JSON object; a picture under its own name, one under its source's."""

from __future__ import annotations

import json
from pathlib import Path

KEPT, ABSENT = 3, 1
SKIPPED = {"answer is none of the options (write the option's text, not its letter)": 1}
TABLE = "data.json"


def write(root: Path) -> None:
    record = {
        "No": 0,
        "img": "d6deb3.png",
        "question": "Which change is shown?",
        "options": ["A) Hyperkeratosis", "B) Acantholysis", "C) Spongiosis", "D) Both A and B"],
        "answer": "D) Both A and B",
        "explanation": "The cornified layer is thick.",
        "source_img": "books_set/images/5759734a.png",
    }
    second = {"No": 1, "img": "pubmed.jpg", "options": ["A. Normal", "B. Tumour"], "answer": "B. Tumour"}
    other = {**{key: value for key, value in record.items() if key != "source_img"}, **second}
    data = {
        "Atlas": {"val": [record], "test": [record, {**record, "No": 2, "answer": "E) None"}], "test_tiny": [record]},
        "PubMed": {"val": [], "test": [other, {**other, "img": "absent.jpg"}]},
    }
    for path in (root / "images" / "pubmed.jpg", root / "books_set" / "images" / "5759734a.png"):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"not read")
    (root / TABLE).write_text(json.dumps(data), encoding="utf-8")
