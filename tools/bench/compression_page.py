"""The compression bench on one HTML page: accuracy over tokens with intervals, cost over slices, tables of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from medvlm.evaluation.page import BANNER
from medvlm.files import write_whole
from tools.bench.compression_accuracy import keeping, share_of, unseen
from tools.bench.curves import Point, draw_curves, legend

_STYLE = """
:root { color-scheme: light; }
body { margin: 0; background: #f6f7f9; color: #14181f; font: 15px/1.5 system-ui, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 32px 20px 64px; }
h1 { font-size: 26px; margin: 0; } h2 { font-size: 17px; margin: 36px 0 12px; } .soft { color: #5b6472; }
.banner { background: #fff3d6; color: #6b4500; font-weight: 600; padding: 10px 20px; text-align: center; }
.verdict { background: #fff; border: 1px solid #e3e7ec; border-left: 4px solid #2563c9; padding: 12px 16px; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(440px, 1fr)); gap: 14px; }
figure, table { background: #fff; border: 1px solid #e3e7ec; border-radius: 10px; margin: 0; }
figure { padding: 14px 14px 8px; max-width: 760px; } figcaption { font-weight: 600; margin-bottom: 8px; }
svg { width: 100%; height: auto; display: block; }
text { fill: #6b7482; font-size: 12px; } text.name { fill: #14181f; }
.grid { stroke: #e9edf2; } .floor { stroke: #8a93a1; stroke-dasharray: 5 4; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 0 0 12px; }
.legend i { display: inline-block; width: 12px; height: 12px; border-radius: 3px; margin-right: 6px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 7px 14px; text-align: right; border-top: 1px solid #e3e7ec; }
th { color: #5b6472; font-weight: 500; border-top: 0; } th:first-child, td:first-child { text-align: left; }
"""


def write_curves(path: Path, result: Mapping[str, Any]) -> Path:
    """Write the page of what the bench measured."""
    body = [f"<h1>Volume compressors</h1><p class='soft'>{escape(_SUBTITLE)}</p>"]
    if "accuracy" in result:
        body += _accuracy(result["accuracy"], result["verdict"]["words"])
    body += _cost(result["cost"])
    machine = ", ".join(f"{name} {value}" for name, value in result["machine"].items())
    body.append(f"<p class='soft'>{escape(machine)}</p>")
    write_whole(
        path,
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Volume compressors</title>'
        f'<style>{_STYLE}</style></head><body><div class="banner">{escape(BANNER)}</div>'
        f"<main>{''.join(body)}</main></body></html>",
    )
    return path


_SUBTITLE = "Each compressor beside slices_keep, which gives every token of every slice to the decoder"


def accuracy_curves(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Point]]:
    """Accuracy over tokens by kind; every compressor's curve ends where all tokens are kept."""
    found: dict[str, list[Point]] = {}
    for row in rows:
        found.setdefault(row["kind"], []).append(Point(row["tokens"], row["accuracy"], row["low"], row["high"]))
    return found


def cost_curves(cost: Mapping[str, Any], figure: str) -> dict[str, list[Point]]:
    """One figure of the cost over slices, by kind."""
    return {kind: [Point(row["slices"], row[figure]) for row in rows] for kind, rows in cost["kinds"].items()}


def _accuracy(rows: Sequence[Mapping[str, Any]], words: str) -> list[str]:
    curves, every = accuracy_curves(rows), keeping(rows)
    floor = ("needs no image", unseen(every))
    chart = draw_curves(curves, x_label="tokens a volume", y_label="accuracy, 95 % interval", floor=floor)
    head = (
        "compressor",
        "tokens",
        "accuracy",
        "95 % interval",
        "of everything",
        "finding F1 of reports",
        "CPU s of training",
    )
    table = [
        (
            row["kind"],
            row["tokens"],
            f"{row['accuracy']:.3f}",
            f"{row['low']:.3f} to {row['high']:.3f}",
            f"{share_of(row, every):.1%}",
            f"{row['finding_f1']:.3f}",
            f"{row['cpu_seconds']:.0f}",
        )
        for row in rows
    ]
    return [
        f"<p class='verdict'>{escape(words)}</p><h2>Accuracy against tokens</h2>{legend(list(curves))}",
        f"<figure>{chart}</figure><h2>Every run</h2>{_table(head, table)}",
    ]


def _cost(cost: Mapping[str, Any]) -> list[str]:
    charts = [
        (words, draw_curves(cost_curves(cost, figure), x_label="slices", y_label=label, log_y=True))
        for words, figure, label in (
            ("Time of a training step", "cpu_s", "CPU s"),
            ("Memory that a step adds", "added_mb", "MB"),
        )
    ]
    figures = "".join(f"<figure><figcaption>{words}</figcaption>{chart}</figure>" for words, chart in charts)
    growth = [(kind, f"{value:.2f}") for kind, value in cost["memory_exponent"].items()]
    table = f"<h2>How memory grows</h2>{_table(('compressor', 'power of slices'), growth)}" if growth else ""
    return [f"<h2>Cost against slices</h2>{legend(list(cost['kinds']))}<div class='charts'>{figures}</div>{table}"]


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = "".join(f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><tr>{''.join(f'<th>{escape(name)}</th>' for name in head)}</tr>{lines}</table>"
