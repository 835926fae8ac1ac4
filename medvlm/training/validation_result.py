"""What the validation of a finished stage reached, in ``validation.json`` and in words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RESULT = "validation.json"


def read_result(folder: Path) -> dict[str, Any] | None:
    """What the validation of a finished stage reached; None where it was not validated.

    Args:
        folder: Of the stage.
    """
    path = folder / RESULT
    if not path.is_file():
        return None
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def result_text(result: dict[str, Any]) -> str:
    """What a validation reached, in a sentence.

    Args:
        result: See `read_result`.

    Examples:
        >>> result_text({"metric": "accuracy", "mode": "max", "keep": "best", "questions": 9, "split": "validate",
        ...     "history": [[5, 0.25], [10, 0.5]], "best": {"step": 10, "value": 0.5}, "kept": 10, "stopped": False})
        'validated 2 times on 9 questions (validate): accuracy was best at batch 10 (0.500); kept: batch 10.'
    """
    times = f"validated {len(result['history'])} times on {result['questions']} questions ({result['split']})"
    ended = " The stage ended early." if result["stopped"] else ""
    best = result["best"]
    if best is None:
        return f"{times}: {result['metric']} never was a number; kept: batch {result['kept']}, the last.{ended}"
    where = f"{result['metric']} was best at batch {best['step']} ({best['value']:.3f})"
    return f"{times}: {where}; kept: batch {result['kept']}.{ended}"
