"""``medvlm zeroshot MODEL IMAGE...``: findings by what they look like, labels by name, texts by likeness."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from medvlm.zeroshot import Explained, SharedSpace


def main(argv: Sequence[str] | None = None) -> int:
    """Print what images are likely to show.

    Args:
        argv: Arguments; those of the process without it.

    Returns:
        The exit code.

    Raises:
        ValueError: If a label is empty, a finding unknown, or a file of texts empty.
        WeightsError: If the model has no heads.
        ImageError: If an image cannot be read.
    """
    arguments = _parser().parse_args(argv)
    wanted = _wanted(arguments)
    from medvlm.zeroshot import load_aligned

    found = _answers(load_aligned(arguments.model), arguments.images, wanted, arguments)
    if arguments.json:
        print(json.dumps(found, ensure_ascii=False, indent=1))
    else:
        print("\n".join(line for one in found for line in _lines(one)))
    return 0


def _wanted(arguments: argparse.Namespace) -> Any:
    """Labels, observations by finding, or texts; read before any weight is."""
    if arguments.labels is not None:
        return _names(arguments.labels, "--labels")
    if arguments.findings is not None:
        return _findings(arguments.findings)
    lines = Path(arguments.texts).read_text(encoding="utf-8").splitlines()
    if not (texts := [line.strip() for line in lines if line.strip()]):
        raise ValueError(f"{arguments.texts} holds no text; write one a line.")
    return texts


def _names(text: str, option: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if not all(names) or len(set(names)) != len(names):
        raise ValueError(f"{option} {text!r}: expected different names between commas, none empty")
    return names


def _findings(text: str) -> Mapping[str, Sequence[str]]:
    from medvlm.descriptors import DESCRIPTORS

    names = _names(text, "--findings") if text else list(DESCRIPTORS)
    lower = {name.lower(): name for name in DESCRIPTORS}
    if unknown := [name for name in names if name.lower() not in lower]:
        raise ValueError(
            f"--findings {', '.join(unknown)}: nothing says what that looks like; described are "
            f"{', '.join(DESCRIPTORS)} (others: --labels)"
        )
    return {lower[name.lower()]: DESCRIPTORS[lower[name.lower()]] for name in names}


def _answers(
    aligned: SharedSpace, images: Sequence[str], wanted: Any, arguments: argparse.Namespace
) -> list[dict[str, Any]]:
    """One entry an image, as it is printed with ``--json``."""
    from medvlm.descriptors import affirmed

    embedded = aligned.images(images)
    if isinstance(wanted, Mapping):
        rows: Sequence[Any] = [_explained(row) for row in aligned.explain(embedded, wanted)]
    elif arguments.labels is not None:
        table = aligned.classify(embedded, {label: [affirmed(label)] for label in wanted})
        rows = [{"labels": dict(zip(wanted, row.tolist(), strict=True))} for row in table]
    else:
        rows = [{"texts": _closest(row, wanted, arguments.top)} for row in aligned.retrieve(embedded, wanted)]
    return [{"image": image, **row} for image, row in zip(images, rows, strict=True)]


def _explained(row: Sequence[Explained]) -> dict[str, Any]:
    return {
        "findings": {
            one.finding: {"probability": one.probability, "observations": dict(one.observations)} for one in row
        }
    }


def _closest(similarity: Tensor, texts: Sequence[str], top: int) -> list[dict[str, Any]]:
    values, places = similarity.topk(min(top, len(texts)))
    return [
        {"similarity": value, "text": texts[place]}
        for value, place in zip(values.tolist(), places.tolist(), strict=True)
    ]


def _lines(entry: Mapping[str, Any]) -> list[str]:
    """An entry in words; findings first that are likeliest."""
    lines = [str(entry["image"])]
    if "findings" in entry:
        for name, one in sorted(entry["findings"].items(), key=lambda item: -item[1]["probability"]):
            seen = ", ".join(f"{phrase} {value:.2f}" for phrase, value in one["observations"].items())
            lines += [f"  {one['probability']:.2f}  {name}", f"        {seen}"]
    for label, value in sorted(entry.get("labels", {}).items(), key=lambda item: -item[1]):
        lines.append(f"  {value:.2f}  {label}")
    lines += [f"  {one['similarity']:+.2f}  {one['text']}" for one in entry.get("texts", ())]
    return lines


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="medvlm zeroshot",
        description="Compare images with texts in the space that a contrastive stage made. Probabilities are not "
        "calibrated; they rank. Not for clinical use.",
    )
    parser.add_argument(
        "model", metavar="MODEL", help="model folder of a contrastive stage, or an open_clip checkpoint"
    )
    parser.add_argument("images", metavar="IMAGE", nargs="+", help="files or folders of slices, one study each")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--labels", metavar="A,B", help="classes, of which one is right: probabilities sum to 1")
    what.add_argument(
        "--findings",
        metavar="A,B",
        nargs="?",
        const="",
        help="findings by their observations, each of its own; all that are described if none is named",
    )
    what.add_argument("--texts", metavar="FILE", help="one text a line: those that fit best")
    parser.add_argument("--top", type=_positive, default=3, help="texts an image (default 3)")
    parser.add_argument("--json", action="store_true", help="everything, as JSON")
    return parser


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{number}: expected 1 or more")
    return number
