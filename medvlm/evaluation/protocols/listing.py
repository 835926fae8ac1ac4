"""Protocols as text: a line each, or one whole."""

from __future__ import annotations

from collections.abc import Iterable

from medvlm.evaluation.protocols.protocol import Protocol
from medvlm.evaluation.protocols.rules import PARSER_VERSION

COLUMNS = ("protocol", "version", "task", "kinds", "test questions", "clusters", "main number", "fingerprint")
_METRIC = {"report": "finding F1", "grounding": "IoU >= 0.5"}


def list_protocols(protocols: Iterable[Protocol]) -> str:
    """A table with a line for each protocol.

    Args:
        protocols: In the order of the lines.
    """
    rows = [COLUMNS, *(_row(protocol) for protocol in protocols)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def _row(protocol: Protocol) -> tuple[str, ...]:
    usual = [known for known in protocol.splits if known.options in ({}, protocol.options)]
    tests = [known for known in usual if known.split in ("test", "all")] or usual
    counts = f"{tests[0].count:,}{'' if tests[0].hash else ' (count only)'}" if tests else "not published"
    if tests and tests[0].split not in ("test", "all"):
        counts += f" {tests[0].split}"
    metric = _METRIC.get(protocol.task, "accuracy")
    if protocol.task == "report" and not protocol.chest:
        metric = "BLEU, ROUGE-L"
    kinds = ",".join(protocol.instructions)
    facts = (protocol.name, str(protocol.version), protocol.task, kinds, counts, protocol.cluster, metric)
    return (*facts, protocol.fingerprint)


def describe_protocol(protocol: Protocol) -> str:
    """Everything that a protocol says.

    Args:
        protocol: Any.
    """
    lines = [
        f"{protocol.name} v{protocol.version}, fingerprint {protocol.fingerprint}"
        + (f", own file {protocol.own}" if protocol.own else ""),
        protocol.about,
        *([f"paper: {protocol.paper}"] if protocol.paper else []),
        f"set: {protocol.set or 'any'}" + (f", loader: {dict(protocol.options)}" if protocol.options else ""),
        f"shows: {' or '.join(protocol.forms) or 'anything'}, "
        + ("all images" if protocol.shown is None else f"the first {protocol.shown} images"),
        f"parser: v{PARSER_VERSION}",
        f"aggregation: {protocol.aggregation}",
        f"intervals: clusters by {protocol.cluster}",
        f"accuracy also by: {'every category' if protocol.breakdown is None else ', '.join(protocol.breakdown) or '-'}",
        f"prompts: {protocol.prompt_hash}",
    ]
    for language, texts in (protocol.translations or {"en": protocol.instructions}).items():
        lines += [f"  {language} {kind}: {text}" for kind, text in texts.items()]
    lines += ["scoring:", *(f"  {kind}: {rule}" for kind, rule in protocol.rules.items())]
    lines += ["released splits:" if protocol.splits else "released splits: no count is published for certain"]
    for known in protocol.splits:
        told = f", loader: {dict(known.options)}" if known.options else ""
        lines.append(f"  {known.split}: {known.count:,} ({known.what}), hash {known.hash or 'not known'}{told}")
    return "\n".join(lines)
