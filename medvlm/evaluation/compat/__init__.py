"""How papers scored, reproduced on the same predictions: named as such beside a score, never mixed with its accuracy.

Every mode is our own code, from what the published evaluator does; its file says what that is, and what is wrong with
it. Use one to compare with a paper that used it, and nothing else.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from medvlm.evaluation.records import Record
from medvlm.evaluation.scoring import Row, Score
from medvlm.evaluation.statistics import sums_interval
from medvlm.study import Sample

from . import choices, llava_med, medevalkit, temmed
from .items import Item, Measure, make_item

__all__ = ["MODES", "add_modes", "mode_rows"]

MODES: Mapping[str, Callable[[Sequence[Item]], list[Measure]]] = {
    "llava_med": llava_med.llava_med,
    "llava_med_before_35": llava_med.llava_med_before_35,
    "medevalkit": medevalkit.medevalkit,
    "medevalkit_slake": medevalkit.medevalkit_slake,
    "rexvqa_first_char": choices.rexvqa_first_char,
    "medvlthinker": choices.medvlthinker,
    "omnimed_difflib": choices.omnimed_difflib,
    "mmmu": choices.mmmu,
    "temmed": temmed.temmed,
}


def mode_rows(mode: str, samples: Sequence[Sample], records: Sequence[Record], *, seed: int = 0) -> list[Row]:
    """The numbers of a mode as rows of a table: ``llava_med``, ``open recall``.

    Args:
        mode: A key of `MODES`.
        samples: What was asked.
        records: One for each sample, in the same order.
        seed: Seed of the intervals.

    Raises:
        ValueError: If the mode is unknown, or it scores none of these questions.
        SampleError: If samples and records differ.
    """
    if mode not in MODES:
        raise ValueError(f"compatibility mode {mode!r} is unknown; expected one of {', '.join(MODES)}")
    items = [make_item(sample, record) for sample, record in zip(samples, records, strict=True)]
    if not (measures := MODES[mode](items)):
        kinds = ", ".join(sorted({item.kind for item in items})) or "none"
        raise ValueError(f"{mode} scores none of these questions (kinds: {kinds}); leave it out")
    return [
        Row(mode, measure.metric, sums_interval(measure.columns, measure.function, measure.clusters, seed=seed))
        for measure in measures
    ]


def add_modes(
    score: Score,
    modes: Sequence[str],
    samples: Sequence[Sample],
    records: Sequence[Record],
    *,
    protocol: str = "",
    seed: int = 0,
) -> Score:
    """The score with the numbers of modes as its last rows.

    Args:
        score: The score.
        modes: Keys of `MODES`.
        samples: What was asked.
        records: One for each sample, in the same order.
        protocol: Its name; that of SLAKE makes ``medevalkit`` into ``medevalkit_slake``.
        seed: Seed of the intervals.

    Raises:
        ValueError: As `mode_rows` does.
    """
    if not modes:
        return score
    if protocol.startswith("slake"):
        modes = ["medevalkit_slake" if mode == "medevalkit" else mode for mode in modes]
    rows = [row for mode in modes for row in mode_rows(mode, samples, records, seed=seed)]
    notes = [f"rows of {', '.join(modes)}: as those papers scored, faults included; not to be compared with accuracy"]
    if not importlib.util.find_spec("nltk"):
        notes.append("their BLEU is not available: nltk is not installed: pip install 'medvlm[metrics]'")
    return replace(score, rows=(*score.rows, *rows), notes=(*score.notes, *notes))
