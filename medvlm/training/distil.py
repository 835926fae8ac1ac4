"""Chains of reasoning from a stronger model, kept where they lead to the right answer (STaR, Zelikman et al. 2022).

For each question up to ``tries`` chains are asked for until ``keep`` different ones are right by the parser. STaR's
rationalisation is optional: where all failed, one more is asked for with the answer told, and kept if it does not speak
of it. Every outcome is on disk before the next batch; what was rejected is counted by its reason.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medvlm.datamodules.sets.jsonl_writing import jsonl_record
from medvlm.files import write_whole
from medvlm.progress_file import ProgressFile
from medvlm.study import Sample, SampleError
from medvlm.training.chains import ChainFormat, chain_fields, read_chain
from medvlm.training.handles import Handle

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class DistilOptions:
    """How chains are asked for.

    Attributes:
        tries: Most chains a question.
        keep: Different right ones that are enough.
        hint: Whether a question that failed in all tries is asked once more with its answer told.
        batch: Questions asked together.
        seed: Of sampling.
    """

    tries: int = 4
    keep: int = 1
    hint: bool = False
    batch: int = 16
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.keep <= self.tries or self.batch < 1:
            raise ValueError(f"{self}: expected 1 <= keep <= tries, and a batch of 1 or more")


def distil(
    teacher: Handle,
    samples: Sequence[Sample],
    out: Path,
    options: DistilOptions | None = None,
    *,
    form: ChainFormat = "think",
    advance: Progress = lambda done, total: None,
) -> Counter[str]:
    """Ask for chains and write a ``jsonl`` set of those that are right.

    Args:
        teacher: Writes them.
        samples: Questions with unique ids and verified answers; reports are left out, for no rule verifies them.
        out: The JSONL file, written once all are done; until then the work is in ``OUT.progress``.
        options: How to ask.
        form: Of the records, see `medvlm.training.chains.chain_fields`.
        advance: Told after each batch how many questions of how many are done.

    Returns:
        Chains kept (``kept``, of them ``hinted``), questions without one (``without``), and rejected texts by reason.

    Raises:
        SampleError: If no question can be verified, or every chain was rejected.
        EndpointError: If an endpoint does not answer; the same call goes on from there.
    """
    options = options or DistilOptions()
    asked = verified(samples)
    file = ProgressFile(out.with_name(f"{out.name}.progress"), work_key(teacher.name, asked, options))
    known = {line["id"]: line for line in file.lines}
    left = [sample for sample in asked if sample.id not in known]
    for start in range(0, len(left), options.batch):
        batch = left[start : start + options.batch]
        file.append(_distilled(teacher, batch, options))
        advance(len(known) + start + len(batch), len(asked))
    return write_chains(out, asked, file.lines, form, teacher.name)


def _distilled(teacher: Handle, batch: Sequence[Sample], options: DistilOptions) -> Iterator[dict[str, Any]]:
    """The chains of a batch: those that have enough are not asked again."""
    chains: dict[str, dict[str, bool]] = {sample.id: {} for sample in batch}
    rejected: dict[str, Counter[str]] = {sample.id: Counter() for sample in batch}
    for attempt in range(options.tries + options.hint):
        hinted = attempt == options.tries
        enough = 1 if hinted else options.keep
        wanting = [sample for sample in batch if len(chains[sample.id]) < enough]
        if not wanting:
            break
        seed = _seed(options.seed, batch[0].id, attempt)
        for sample, said in zip(wanting, teacher.write(wanting, seed=seed, hint=hinted), strict=True):
            chain, why = read_chain(sample, said, hinted=hinted)
            if chain is None or chain.text in chains[sample.id]:
                rejected[sample.id][why or "the same again"] += 1
            else:
                chains[sample.id][chain.text] = hinted
    for sample in batch:
        found = [{"text": text, "hinted": hinted} for text, hinted in chains[sample.id].items()]
        yield {"id": sample.id, "chains": found, "rejected": dict(rejected[sample.id])}


def _seed(seed: int, first: str, attempt: int) -> int:
    """A seed that depends on the batch and the attempt, not on what was done before."""
    return int.from_bytes(hashlib.sha256(repr((seed, first, attempt)).encode()).digest()[:4]) >> 1


def verified(samples: Sequence[Sample]) -> list[Sample]:
    """The questions whose answers a rule can check.

    Raises:
        SampleError: If there are none, two have one id, or an answer is a pseudo-label.
    """
    asked = [sample for sample in samples if sample.kind != "report"]
    if not asked:
        raise SampleError(f"none of {len(samples)} samples can be verified: a report has no rule that says it is right")
    if len({sample.id for sample in asked}) < len(asked):
        raise SampleError("two samples have one id; chains need questions with ids of their own")
    if voted := sum("pseudo" in sample.extra for sample in asked):
        raise SampleError(f"{voted} of {len(asked)} answers are pseudo-labels: they cannot verify a chain")
    return asked


def work_key(name: str, samples: Sequence[Sample], options: Any) -> dict[str, Any]:
    """What decides the chains.

    Args:
        name: Of the models that write them.
        samples: The questions.
        options: A dataclass of numbers.
    """
    digest = hashlib.sha256()
    for sample in samples:
        digest.update(repr((sample.id, sample.question, sample.answer, sample.kind, sample.options)).encode())
    return {"models": name, "questions": digest.hexdigest()[:16], **asdict(options)}


def write_chains(
    out: Path, samples: Sequence[Sample], lines: Sequence[Mapping[str, Any]], form: ChainFormat, name: str
) -> Counter[str]:
    """Write the records of all chains and count what came of the questions.

    Args:
        out: The JSONL file.
        samples: The questions.
        lines: ``{"id", "chains": [{"text", "hinted"}], "rejected": {reason: count}}`` each.
        form: Of the records.
        name: Of the models.

    Raises:
        SampleError: If every chain was rejected; the message counts the reasons.
    """
    found = {line["id"]: line for line in lines}
    counts: Counter[str] = Counter()
    records: list[str] = []
    for sample in samples:
        line = found[sample.id]
        counts.update(line["rejected"])
        counts["without"] += not line["chains"]
        for number, chain in enumerate(line["chains"]):
            counts["kept"] += 1
            counts["hinted"] += chain["hinted"]
            record = jsonl_record(sample, out.parent) | chain_fields(sample, chain["text"], form)
            source = {"question": sample.id, "by": name, "hinted": chain["hinted"]}
            records.append(
                json.dumps(record | {"id": f"{sample.id}#{number}", "distilled": source}, ensure_ascii=False)
            )
    if not records:
        reasons = ", ".join(f"{count} {why}" for why, count in counts.most_common() if count and why != "without")
        raise SampleError(f"no chain was kept for {len(samples)} questions ({reasons}); look at some, or try more")
    write_whole(out, "\n".join(records) + "\n")
    return +counts
