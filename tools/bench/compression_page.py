"""The compression bench on one HTML page: accuracy in a table, curves over slices and tokens."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medvlm.evaluation.page import ResultRow, write_page
from tools.bench.compression_cost import KEEP

Points = list[tuple[float, float]]


def curves(result: Mapping[str, Any]) -> dict[str, Points]:
    """Points of every chart: seconds and memory over slices, accuracy over tokens where it was measured."""
    found: dict[str, Points] = {}
    for kind, rows in result["cost"]["kinds"].items():
        found[f"{kind}: CPU s over slices"] = [(row["slices"], row["cpu_s"]) for row in rows]
        found[f"{kind}: MB added over slices"] = [(row["slices"], row["added_mb"]) for row in rows]
    for row in result.get("accuracy", ()):
        found.setdefault(f"{row['kind']}: accuracy over tokens", []).append((row["tokens"], row["accuracy"]))
    return found


def write_curves(path: Path, result: Mapping[str, Any]) -> Path:
    """Write the page."""
    rows = [
        ResultRow(
            name=row["kind"],
            value=row["accuracy"],
            low=row["low"],
            high=row["high"],
            n=row["n"],
            note=f"{row['tokens']} tokens a volume",
            main=row["kind"] == KEEP,
        )
        for row in result.get("accuracy", ())
    ]
    notes = [f"Memory grows with slices to the power of {value:.2f} in {kind}." for kind, value in _growth(result)]
    if "verdict" in result:
        notes.insert(0, result["verdict"]["words"])
    machine = ", ".join(f"{name} {value}" for name, value in result["machine"].items())
    return write_page(
        path,
        "Volume compressors",
        rows,
        curves(result),
        notes=[*notes, machine],
        subtitle="Each compressor beside slices_keep, which gives every token to the decoder",
    )


def _growth(result: Mapping[str, Any]) -> list[tuple[str, float]]:
    return list(result["cost"]["memory_exponent"].items())
