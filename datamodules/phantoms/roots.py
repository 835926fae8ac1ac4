"""What the folders of all phantoms share: made once and whole, a recipe, a manifest, pools that never mix.

PHANTOM - NOT A PATIENT.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from medvlm.study import SampleError

SHARES: Mapping[str, float] = {"sft": 0.5, "rl": 0.25, "validate": 0.05, "test": 0.2}
"""Share of the virtual patients in each pool; ``sft`` and ``rl`` together are the split ``train``."""


def pool_of(index: int) -> str:
    """The pool of a patient; it depends on its number only, so that two roots never mix splits.

    Examples:
        >>> sorted({pool_of(index) for index in range(40)})
        ['rl', 'sft', 'test', 'validate']
    """
    place = (index * 0.6180339887498949 + 0.1) % 1.0
    for pool, share in SHARES.items():
        if place < share:
            return pool
        place -= share
    return "test"


def split_of(pool: str) -> str:
    """The split of a pool.

    Examples:
        >>> split_of("rl")
        'train'
    """
    return "train" if pool in ("sft", "rl") else pool


def make_root(root: str | Path, recipe: Mapping[str, Any], fill: Callable[[Path], None]) -> Path:
    """Make a folder once; one with the same recipe is left as it is.

    Args:
        root: Folder to make; it appears only when it is complete.
        recipe: What made it; written as ``phantom.json``.
        fill: Writes everything else into a draft folder.

    Returns:
        The root.

    Raises:
        FileExistsError: If the folder holds something else, or a phantom of another recipe.
    """
    root = Path(root)
    if root.exists() and any(root.iterdir()):
        _same(root, recipe)
        return root
    root.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{root.name}-", dir=root.parent))
    try:
        fill(draft)
        (draft / "phantom.json").write_text(json.dumps(recipe) + "\n")
        if root.exists():
            root.rmdir()
        draft.chmod(0o755)
        os.replace(draft, root)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return root


def _same(root: Path, recipe: Mapping[str, Any]) -> None:
    about = root / "phantom.json"
    if not about.is_file():
        raise FileExistsError(f"{root} is not empty and no phantom root (no phantom.json): name another folder.")
    found = json.loads(about.read_text())
    if found != recipe:
        changed = ", ".join(
            f"{key}={found.get(key)!r}, wanted {recipe.get(key)!r}"
            for key in {**recipe, **found}
            if found.get(key) != recipe.get(key)
        )
        raise FileExistsError(
            f"{root} holds a phantom of other parameters ({changed}): name another folder or delete it."
        )


def read_manifest(root: str | Path, maker: str = "make_thorax") -> Iterator[dict[str, Any]]:
    """Yield the studies of a phantom root as dictionaries.

    Args:
        root: The folder.
        maker: Name of the function that makes such a folder, for the message.

    Raises:
        SampleError: If the folder is no phantom root or a line is broken.
    """
    path = Path(root) / "manifest.jsonl"
    if not path.is_file():
        raise SampleError(f"{root} is no phantom root (no manifest.jsonl): make one with {maker}({str(root)!r}).")
    with path.open() as lines:
        for number, line in enumerate(lines, 1):
            try:
                yield json.loads(line)
            except json.JSONDecodeError as error:
                raise SampleError(f"{path}, line {number}: no JSON ({error}); make the root again.") from None
