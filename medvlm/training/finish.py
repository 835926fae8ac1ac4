"""From a recipe to its results: every stage trained and scored, one table, one summary, one page."""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from medvlm.evaluation.contrasts import ACCURACY
from medvlm.evaluation.protocols import get_protocol
from medvlm.evaluation.runner import evaluate_with_baselines
from medvlm.evaluation.scoring import Score
from medvlm.evaluation.statistics import Interval
from medvlm.files import atomic_folder, write_whole
from medvlm.generation.engine import Engine
from medvlm.models import load_vlm
from medvlm.preferences.pairs import pairs_of
from medvlm.ranks import in_turn, is_first
from medvlm.settings import Recipe
from medvlm.stages import AnyStage, ContrastiveStage, GRPOStage, PreferenceStage, SFTStage
from medvlm.study import ImageRef
from medvlm.training.card import CARD_FILE, model_card
from medvlm.training.checks import protocol_name, recipe_answering
from medvlm.training.ranked import ranking_table, score_alignment
from medvlm.training.rewards.scoring import term_of
from medvlm.training.run import Run, prepare, train_stage
from medvlm.training.showcase import findings, write_showcase
from medvlm.training.testing import test_loop
from medvlm.training.trainer import build_trainer
from medvlm.training.validation_result import read_result, result_text

Entry = dict[str, Any]


def run_recipe(recipe: Recipe) -> dict[str, Entry]:
    """Train and score every stage, then print and write what came out.

    What is finished is not done again: a run that was killed goes on, and a finished one only prints. Of several
    processes all train and answer, and the first one writes and prints.

    Returns:
        The summary: for each row of the table accuracy, low, high, n and seed.
    """
    run = prepare(recipe)
    console = Console(quiet=not is_first())
    summary: dict[str, Entry] = {}
    said: set[str] = set()
    for stage in recipe.stages:
        console.rule(f"{recipe.name}: {stage.name}")
        lines = [line for line in data_lines(run, stage) if line not in said]
        said.update(lines)
        console.print(*lines, sep="\n", highlight=False, markup=False)
        folder = train_stage(run, stage)
        if stage.evaluate and isinstance(stage, ContrastiveStage):
            ranking = score_alignment(run, stage)
            console.print(ranking_table(stage.name, ranking))
            summary[stage.name] = {**ranking.to_json(), "seed": recipe.seed}
        elif stage.evaluate:
            score = score_stage(run, stage)
            console.print(score.to_text(console.width), highlight=False, markup=False)
            for name, row in entries(stage.name, score, recipe.seed, folder).items():
                summary[f"{name} ({stage.name})" if name in summary else name] = row
        if result := read_result(folder):
            console.print(f"{stage.name}: {result_text(result)}", highlight=False, markup=False)
            summary.setdefault(stage.name, {"seed": recipe.seed})["validation"] = result
        for finding in findings(recipe).get(stage.name, []):
            console.print(f"{stage.name}: {finding}", highlight=False, markup=False)
            row = summary.setdefault(stage.name, {"seed": recipe.seed})
            row.setdefault("diagnosis", []).append(str(finding))
    with in_turn():
        if is_first():
            _present(run, summary, console)
    return summary


def _present(run: Run, summary: dict[str, Entry], console: Console) -> None:
    """Put the last model where it is looked for, and write and print what came out."""
    recipe = run.recipe
    _publish(recipe)
    write_whole(recipe.folder / "summary.json", json.dumps(summary, indent=1))
    write_whole(recipe.folder / "model" / CARD_FILE, model_card(recipe, summary))
    report_studies(run, console)
    remarks = notes(run, summary)
    page = write_showcase(
        recipe,
        summary,
        {name: label(name, row) for name, row in summary.items()},
        _images(run, run.held_out),
        remarks,
        _images(run, "train"),
    )
    console.rule(recipe.name)
    if any("accuracy" in row for row in summary.values()):
        console.print(summary_table(summary, recipe))
    for line in (*remarks, f"Page: {page}", f"Model: {recipe.folder / 'model'}"):
        console.print(line, highlight=False, markup=False)


def data_lines(run: Run, stage: AnyStage) -> list[str]:
    """What was read of the set for a stage and what was left out, and how much of it is drawn."""
    splits = ("fit", run.held_out) if stage.evaluate else ("fit",)
    data = run.data(stage, *splits)
    lines = []
    for split, report in data.reports.items():
        lines += [f"{data.set_name} {split}: {report.summary()}", *report.notes]
    groups = data.drawn().groups
    return [*lines, f"{stage.name}: draws from {sum(map(len, groups)):,} questions in {len(groups):,} groups"]


def score_stage(run: Run, stage: AnyStage) -> Score:
    """Score a trained stage on its held-out split by the trainer's test loop; records stay in the stage's folder."""
    recipe, settings = run.recipe, run.recipe.evaluate
    folder = recipe.folder / stage.name
    model, processor = load_vlm(folder / "model")
    data = run.data(stage, "fit", run.held_out)
    samples = data.samples[run.held_out]
    if settings.limit is not None:
        images = list(dict.fromkeys(sample.images for sample in samples))[: settings.limit]
        samples = [sample for sample in samples if sample.images in set(images)]
    baselines = settings.baselines if stage.baselines is None else stage.baselines
    return evaluate_with_baselines(
        Engine(model, processor, reasoning=recipe.reasoning),
        samples,
        run.pixels,
        get_protocol(protocol_name(recipe, stage)),
        folder / "records",
        name=f"{recipe.folder.name}/{stage.name}",
        baselines=baselines,
        probes=settings.probes,
        train=data.samples["train"],
        seed=recipe.seed,
        batch=settings.batch,
        max_new_tokens=settings.max_new_tokens,
        answering=recipe_answering(recipe),
        loop=test_loop(build_trainer(recipe, stage, folder, attempt="test", trains=False)),
    )


def entries(name: str, score: Score, seed: int, folder: Path) -> dict[str, Entry]:
    """Rows of the summary from one score: the stage, and under ``blind`` and so on what its baselines reached."""
    found: dict[str, Entry] = {}
    cost = folder / "cost.json"
    common = {"n": score.n if score.accuracy is None else score.accuracy.n, "seed": seed}
    for comparison in score.comparisons:
        if comparison.metric == ACCURACY:
            row = {**interval(comparison.accuracy), **common, "n": comparison.accuracy.n}
            found["blind" if comparison.name == "blank" else comparison.name] = row | {"of": name}
    if score.accuracy is not None:
        row = {**interval(score.accuracy), **common}
        row["unparsed"] = score.unparsed
        row |= json.loads(cost.read_text(encoding="utf-8")) if cost.is_file() else {}
        found[name] = row
    for metric in score.corpus:
        found.setdefault(name, dict(common)).setdefault("report", {})[metric.name] = metric.value
    return found


def interval(values: Interval) -> Entry:
    """An interval as JSON values; one cluster has no interval, which is null and not NaN."""
    low, high = (None if math.isnan(end) else end for end in (values.low, values.high))
    return {"accuracy": values.value, "low": low, "high": high}


def summary_table(summary: Mapping[str, Entry], recipe: Recipe) -> Table:
    """The summary as a table to print."""
    table = Table(title=f"{recipe.name}, seed {recipe.seed}: held-out accuracy with 95 % intervals")
    for column in ("model", "accuracy", "low", "high", "n", "CPU s"):
        table.add_column(column, justify="left" if column == "model" else "right")
    for name, row in summary.items():
        if "accuracy" in row:
            numbers = ["-" if row[key] is None else f"{row[key]:.3f}" for key in ("accuracy", "low", "high")]
            table.add_row(label(name, row), *numbers, str(row["n"]), str(row.get("cpu_seconds", "")))
    return table


def label(name: str, row: Mapping[str, Any]) -> str:
    """What a row of the summary is, in words.

    Examples:
        >>> label("blind", {"of": "sft"})
        'blind: sft, shown a blank image'
    """
    words = {
        "blind": "blind: {of}, shown a blank image",
        "shuffled": "{of}, shown another patient's image",
        "wrong": "{of}, shown an image of another kind",
        "majority": "majority answer of the training set of {of}",
        "position": "usual letter of the training set of {of}",
    }
    return words.get(name.partition(" (")[0], name).format(of=row.get("of", ""))


def notes(run: Run, summary: Mapping[str, Entry]) -> list[str]:
    """What a reader of the table must know: what the labels were, how often they are wrong, what training cost."""
    recipe, lines = run.recipe, [run.recipe.note] if run.recipe.note else []
    for stage in recipe.stages:
        if result := read_result(recipe.folder / stage.name):
            lines.append(f"{stage.name}: {result_text(result)}")
            if stage.evaluate and recipe.evaluate.split == "validate":
                lines.append(f"{stage.name}: it is scored on the split by which it was chosen; expect less elsewhere.")
        if isinstance(stage, SFTStage) and stage.weak:
            lines.append(f"{stage.name}: {weak_labels(run, stage)}")
        if isinstance(stage, GRPOStage):
            rewards = ", ".join(f"{name} x {term_of(term).weight:g}" for name, term in stage.rewards.items())
            lines.append(f"{stage.name}: rewards {rewards}, computed against verified answers.")
        if isinstance(stage, PreferenceStage):
            lines.append(f"{stage.name}: {stage.loss} on {pair_counts(run, stage)}.")
    costs = [f"{name} {row['cpu_seconds']:.0f}" for name, row in summary.items() if "cpu_seconds" in row]
    if costs:
        lines.append(f"CPU seconds of training: {', '.join(costs)}.")
    return [*lines, "Not for clinical use."]


def pair_counts(run: Run, stage: PreferenceStage) -> str:
    """How many pairs a stage learns from, by how they were made."""
    samples = [sample for group in run.data(stage, "fit").drawn().groups for sample in group]
    counts = Counter(pair.how for sample in samples for pair in pairs_of(sample))
    return f"{counts.total()} pairs ({', '.join(f'{how} {count}' for how, count in sorted(counts.items()))})"


def weak_labels(run: Run, stage: SFTStage) -> str:
    """How often the mined answers that a stage imitates are wrong."""
    data = run.data(stage, "fit")
    samples = [sample for group in data.drawn().groups for sample in group if sample.kind != "report"]
    wrong = sum(sample.weak_answer != sample.answer for sample in samples)
    return f"labels mined from reports, {wrong / len(samples):.1%} of {len(samples)} are wrong."


def _images(run: Run, split: str) -> dict[str, tuple[ImageRef, ...]]:
    """Images of each question that the stages read of a split, by its id."""
    last = run.data(run.recipe.stages[-1], run.held_out)
    modules = [run.data(stage, "fit") for stage in run.recipe.stages] if split == "train" else [last]
    return {sample.id: sample.images for data in modules for sample in data.samples[split]}


def _publish(recipe: Recipe) -> None:
    """Put the last stage's model where ``medvlm.predict`` looks for it."""
    source, target = recipe.folder / recipe.stages[-1].name / "model", recipe.folder / "model"
    if target.is_dir() and (target / "config.json").stat().st_mtime >= (source / "config.json").stat().st_mtime:
        return
    with atomic_folder(target) as folder:
        for file in source.iterdir():
            os.link(file, folder / file.name)


def report_studies(run: Run, console: Console) -> None:
    """Write reports for the first studies of the held-out split with the last stage's model."""
    recipe = run.recipe
    if not recipe.reports:
        return
    from medvlm.reporting import write_reports

    data = run.data(recipe.stages[-1], run.held_out)
    studies: Sequence[Path] = list(dict.fromkeys(sample.images[0].path for sample in data.samples[run.held_out]))
    done = write_reports(studies[: recipe.reports], recipe.folder / "reports", model=recipe.folder / "model")
    console.print(f"Reports: {done}, in {recipe.folder / 'reports'}", highlight=False, markup=False)
