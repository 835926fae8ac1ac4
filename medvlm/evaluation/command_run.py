"""What ``medvlm evaluate`` does: ask a model, or take a file of predictions, and leave records and a score."""

from __future__ import annotations

import argparse
import contextlib
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from medvlm.evaluation.command_answering import read_answering
from medvlm.evaluation.protocols import Protocol, get_protocol
from medvlm.evaluation.protocols.known import in_words
from medvlm.study import Sample


def run_predictions(options: argparse.Namespace) -> str:
    """Match, grade, score a file of predictions; the score as text."""
    from medvlm.datamodules.sets import LoadReport, load_set
    from medvlm.evaluation.compat import add_modes
    from medvlm.evaluation.planning import UNSEEN, usable_baselines
    from medvlm.evaluation.predictions import match, read_predictions, score_predictions, write_scored
    from medvlm.evaluation.report_metrics.asked import add_report_metrics
    from medvlm.evaluation.scoring import compare

    def load(split: str, report: LoadReport | None = None) -> list[Sample]:
        return list(load_set(options.name, options.root, split, report=report, **loader_options))

    def others() -> dict[str, list[str]]:
        splits = [split for split in ("train", "validate", "test") if split != options.split]
        found = {}
        for split in splits:
            with contextlib.suppress(OSError, ValueError):  # not every set has every split on every disk
                found[split] = [sample.id for sample in load(split)]
        return found

    (protocol, loader_options), report = _chosen(options), LoadReport()
    given = read_predictions(options.predictions)
    samples = load(options.split, report)
    unusable = report.skipped.total()
    _check_whole(protocol, samples, unusable, loader_options, options)
    matched = match(given, samples, others)
    score, records = score_predictions(
        samples, matched, protocol, source=options.predictions.name, seed=options.seed, unusable=unusable
    )
    if options.baselines:
        train = load("train")
        names, _ = usable_baselines(options.baselines, samples, train, options.seed)
        blind = {name: UNSEEN[name](train, samples, protocol) for name in names}
        score = compare(score, records, blind, seed=options.seed)
    score = add_modes(score, options.compat, samples, records, protocol=protocol.name, seed=options.seed)
    score = add_report_metrics(score, options.report_metrics, records, device=options.device)
    write_scored(options.out, score, records, samples, name=options.predictions.stem)
    return f"{score.to_text()}\n{report.summary()}\nrecords: {options.out}"


def run(options: argparse.Namespace) -> str:
    """Load, ask, score; the score as text."""
    from medvlm.datamodules.cache import PixelCache
    from medvlm.datamodules.sets import LoadReport, load_set
    from medvlm.evaluation.compat import add_modes
    from medvlm.evaluation.outputs import write_score
    from medvlm.evaluation.planning import with_training
    from medvlm.evaluation.records import read_records
    from medvlm.evaluation.report_metrics.asked import add_report_metrics
    from medvlm.evaluation.runner import evaluate_with_baselines, plain_loop
    from medvlm.evaluation.score_page import MOST_EXAMPLES
    from medvlm.generation.engine import Engine
    from medvlm.identity import identify
    from medvlm.models import load_vlm

    (protocol, loader_options), report = _chosen(options), LoadReport()
    samples = list(load_set(options.name, options.root, options.split, report=report, **loader_options))
    _check_whole(protocol, samples, report.skipped.total(), loader_options, options)
    baselines, train, without = with_training(
        options.baselines, lambda: list(load_set(options.name, options.root, "train", **loader_options))
    )
    if options.shots and not train:
        train = list(load_set(options.name, options.root, "train", **loader_options))
    folder = Path(options.model)
    reasoning = identify(folder).reasoning if folder.is_dir() else False
    model, processor = load_vlm(options.model, device=options.device)
    engine = Engine(model, processor, reasoning=reasoning)
    score = evaluate_with_baselines(
        engine,
        samples[: options.limit],
        PixelCache(processor.image_processor.pixels),
        protocol,
        options.out,
        baselines=baselines,
        probes=options.probes,
        train=train,
        seed=options.seed,
        batch=options.batch,
        max_new_tokens=options.max_new_tokens,
        answering=read_answering(options),
        unusable=report.skipped.total(),
        loop=partial(plain_loop, progress=not options.quiet),
        name="/".join(folder.parts[-2:]),
        page_images=MOST_EXAMPLES,
    )
    if options.compat or options.report_metrics:
        latest = {record.id: record for record in read_records(options.out / "real.jsonl")}
        asked = samples[: options.limit]
        records = [latest[sample.id] for sample in asked]
        score = add_modes(score, options.compat, asked, records, protocol=protocol.name, seed=options.seed)
        score = add_report_metrics(score, options.report_metrics, records, device=options.device)
        write_score(options.out, score, records, asked, name="/".join(folder.parts[-2:]), seed=options.seed)
    return f"{score.to_text()}\n{without}{report.summary()}\nrecords: {options.out}"


def _chosen(options: argparse.Namespace) -> tuple[Protocol, dict[str, Any]]:
    """The protocol and what the loader is told; the set is that of the protocol where none was named."""
    protocol = get_protocol(options.protocol or options.name)
    options.name = options.name or protocol.set
    if not options.name:
        raise ValueError(f"protocol {protocol.name} is of no one set; name the set that is asked (--set slake)")
    fixed = protocol.options if options.name == protocol.set else {}
    return protocol, {**fixed, **dict(_pair(item) for item in options.option)}


def _check_whole(
    protocol: Protocol, samples: list[Sample], unusable: int, told: dict[str, Any], options: argparse.Namespace
) -> None:
    """Refuse a split of another size than the published one, unless a part was asked for."""
    if options.partial or options.limit is not None:
        return
    check = protocol.check_split(samples, unusable=unusable)
    if missed := check.expected(told, protocol.options):
        raise ValueError(
            f"split {options.split} of {options.name} gives {check.found} questions ({unusable} records are unusable), "
            f"{protocol.name} expects {in_words(missed)}; complete the download, or score what is there by --partial"
        )


def _pair(item: str) -> tuple[str, Any]:
    key, equals, value = item.partition("=")
    if not equals:
        raise ValueError(f"--option looks like key=value, got {item!r}.")
    return key, yaml.safe_load(value)
