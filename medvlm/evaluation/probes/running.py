"""Probes asked one after another, each an examination of its own that resumes by itself."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from medvlm import ranks
from medvlm.evaluation.answerer import Answerer
from medvlm.evaluation.answering.settings import GREEDY
from medvlm.evaluation.examination import Examination, Settings
from medvlm.evaluation.probes import errors, negation, refusal
from medvlm.evaluation.probes.probe import Probe, Setting
from medvlm.evaluation.protocols import Protocol as ScoringProtocol
from medvlm.evaluation.records import Record, read_records
from medvlm.evaluation.sections.section import Section
from medvlm.study import ImageRef, Sample

PROBES: dict[str, Probe] = {probe.name: probe for probe in (negation.PROBE, refusal.PROBE, errors.PROBE)}


def check_probes(names: Sequence[str]) -> None:
    """Refuse names that are none of a probe.

    Args:
        names: Keys of `PROBES`.

    Raises:
        ValueError: If one is unknown, or given twice; the message names the nearest.
    """
    for name in names:
        if name not in PROBES:
            near = difflib.get_close_matches(name, PROBES, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"probe {name!r} is unknown, expected some of {', '.join(PROBES)}{hint}")
    if len(set(names)) < len(names):
        raise ValueError(f"probes {', '.join(names)}: name each once")


def run_probes(
    engine: Answerer,
    samples: Sequence[Sample],
    pixels: Callable[[ImageRef], Tensor],
    protocol: ScoringProtocol,
    folder: Path | str,
    names: Sequence[str],
    *,
    loop: Callable[[Examination], None],
    records: Sequence[Record] | None = None,
    train: Sequence[Sample] = (),
    most: int = 500,
    **settings: Any,
) -> tuple[Section, ...]:
    """Ask the further questions of probes and make a section of each; what is recorded is not asked again.

    Args:
        engine: Answers.
        samples: Questions of the set, already asked.
        pixels: Prepared pixels of an image reference; those of files that a probe writes too.
        protocol: How the set is scored and clustered.
        folder: Where the set's ``real.jsonl`` is, and ``probe-NAME.jsonl`` goes.
        names: Keys of `PROBES`.
        loop: Answers every batch of an open examination, `medvlm.evaluation.runner.plain_loop` for example.
        records: Those of the set's questions; None reads ``real.jsonl``.
        train: Training samples, of which shots are taken.
        most: Most questions of the set that a probe takes.
        settings: Fields of `medvlm.evaluation.examination.Settings`; they should be those of the set's records.

    Raises:
        ValueError: If a probe is unknown, or a question of the set has no record.
    """
    check_probes(names)
    if most < 1:
        raise ValueError(f"probes of at most {most} questions; expected 1 or more")
    chosen, folder = Settings(**settings), Path(folder)
    known = _latest(samples, read_records(folder / "real.jsonl") if records is None else records)
    setting = Setting(folder, protocol.chest, chosen.seed, most)
    sections = []
    for name in names:
        probe = PROBES[name]
        with ranks.in_turn():
            derived = probe.derive(samples, setting)
        used = _used(probe, chosen)
        notes = derived.notes
        if used.answering != replace(chosen.answering, probabilities=used.answering.probabilities):
            notes = (*notes, "asked greedily, whatever the set was answered by: only words can be right here")
        probed: Sequence[Record] = ()
        if derived.samples:
            locked = probe_protocol(protocol, probe, setting)
            path = folder / f"probe-{name}.jsonl"
            with Examination(engine, derived.samples, pixels, locked, path, used, train=train) as examination:
                loop(examination)
                probed = examination.latest()
        sections.append(probe.section(known, probed, notes, chosen.seed))
    return tuple(sections)


def _used(probe: Probe, chosen: Settings) -> Settings:
    """How the questions of a probe are put: as those of the set, with room for its answers."""
    tokens = max(chosen.max_new_tokens, probe.max_new_tokens)
    words = probe.in_words and chosen.answering.strategy != "budget"
    answering = GREEDY if words else chosen.answering
    return replace(chosen, max_new_tokens=tokens, image="real", answering=answering, unusable=0)


def probe_protocol(protocol: ScoringProtocol, probe: Probe, setting: Setting) -> ScoringProtocol:
    """The protocol under which the questions of a probe are recorded: its name holds what they were drawn with.

    Args:
        protocol: That of the set.
        probe: Which probe.
        setting: What its questions are drawn from.
    """
    name = f"{protocol.name} probe {probe.name} v{probe.version} seed {setting.seed}"
    instructions = {**protocol.instructions, **probe.instructions}
    return replace(protocol, name=name, instructions=instructions, splits=(), forms=())


def _latest(samples: Sequence[Sample], records: Sequence[Record]) -> list[Record]:
    found = {record.id: record for record in records}
    if missing := [sample.id for sample in samples if sample.id not in found]:
        raise ValueError(
            f"{len(missing)} questions have no record, first {missing[0]!r}; evaluate the set before its probes"
        )
    return [found[sample.id] for sample in samples]
