"""RadCliQ (Yu et al. 2023) of its four parts, from the folder that holds what they need."""

from __future__ import annotations

import math
from pathlib import Path

from medvlm.evaluation.metrics import Metric
from medvlm.evaluation.packages import ngrams
from medvlm.evaluation.published import BERTSCORE, CHEXBERT, RADCLIQ, RADGRAPH
from medvlm.evaluation.report_metrics.graphs import Normaliser, graph_combined, radcliq
from medvlm.evaluation.report_metrics.reports import Reports
from medvlm.evaluation.report_metrics.weighted import bertscore_each, graphs_of, read_settings
from medvlm.study import WeightsError

FORMAT = '{"mean": [radgraph, bertscore, semb, bleu2], "scale": [the same four]}'


def radcliq_v1(reports: Reports, folder: Path, device: str) -> list[Metric]:
    """Mean RadCliQ-v1, lower is better.

    Args:
        reports: Pairs.
        folder: Holds ``bertscore`` (with its ``bertscore.json``), ``chexbert`` and ``radgraph`` or ``radgraph.jsonl``.
        device: Where models compute.
    """
    return radcliq(parts_of(reports, folder, device))


def radcliq_v0(reports: Reports, folder: Path, device: str) -> list[Metric]:
    """Mean RadCliQ-v0, lower is better.

    Args:
        reports: Pairs.
        folder: As of `radcliq_v1`, and ``normaliser.json``, whose numbers are not published as text.
        device: Where models compute.

    Raises:
        ValueError: If there is no ``normaliser.json``, or it holds something else.
    """
    normaliser = read_normaliser(folder / "normaliser.json")
    return radcliq(parts_of(reports, folder, device), "v0", normaliser)


def read_normaliser(path: Path) -> Normaliser:
    """The normaliser of v0 from a JSON file.

    Args:
        path: The file.

    Raises:
        ValueError: If it is absent, or no object of twice four numbers.
    """
    if not path.is_file():
        raise ValueError(
            "RadCliQ v0 needs a normaliser whose numbers are published in a pickle alone, CXRMetric/normalizer.pkl of "
            f"github.com/rajpurkarlab/CXR-Report-Metric (MIT); write them into {path} as {FORMAT}"
        )
    found = read_settings(path, {"mean": None, "scale": None})
    sides = [side for side in found.values() if isinstance(side, list) and len(side) == 4]
    numbers = [value for side in sides for value in side if isinstance(value, int | float) and math.isfinite(value)]
    if len(numbers) != 8 or not all(value > 0 for value in numbers[4:]):
        raise ValueError(f"{path}: {found}; expected {FORMAT}")
    a, b, c, d, e, f, g, h = map(float, numbers)
    return Normaliser((a, b, c, d), (e, f, g, h))


def check_radcliq(folder: Path) -> None:
    """Refuse a folder in which something is absent, before anything is computed.

    Args:
        folder: As of `radcliq_v1`.

    Raises:
        WeightsError: If a part is absent, or the encoder's layer and baseline are not given.
    """
    if not (folder / "radgraph.jsonl").is_file():
        RADCLIQ.folder(folder)
        RADGRAPH.folder(folder / "radgraph" / "radgraph")
    CHEXBERT.folder(folder / "chexbert")
    BERTSCORE.folder(folder / "bertscore")
    if not (folder / "bertscore" / "bertscore.json").is_file():
        raise WeightsError(
            f"RadCliQ was fitted on rescaled BERTScore: write layer and baseline that are published for the encoder "
            f'into {folder / "bertscore" / "bertscore.json"} as {{"layer": 1, "baseline": 0.5}}'
        )


def parts_of(reports: Reports, folder: Path, device: str) -> list[list[float]]:
    """RadGraph (mean of entities and relations), BERTScore, cosine of CheXbert's states, BLEU-2 of each pair.

    Args:
        reports: Pairs; an empty report scores 0 in all four.
        folder: As of `radcliq_v1`.
        device: Where models compute.

    Raises:
        WeightsError: If something is absent.
    """
    import torch

    from medvlm.evaluation.chexbert import load_chexbert

    check_radcliq(folder)
    annotated = folder / "radgraph.jsonl"
    place = annotated if annotated.is_file() else folder / "radgraph"
    graphs = [graph_combined(*pair) for pair in zip(*graphs_of(reports, place, "radgraph"), strict=True)]
    words, _ = bertscore_each(reports, folder / "bertscore", device)
    model, n = load_chexbert(str(folder / "chexbert"), device), len(reports.ids)
    states = model.embed([*reports.given, *reports.wanted])
    near = torch.nn.functional.cosine_similarity(states[:n], states[n:]).tolist()
    bleu = [bleu2(*pair) for pair in zip(reports.given, reports.wanted, strict=True)]
    return [list(row) for row in zip(graphs, words, near, bleu, strict=True)]


def bleu2(given: str, wanted: str) -> float:
    """BLEU-2 of one report as RadCliQ takes it: lower case, full stops apart, words between spaces, not smoothed.

    Args:
        given: The report given.
        wanted: Its reference.

    Examples:
        >>> round(bleu2("No effusion.", "No large effusion."), 4)
        0.5067
    """
    said, meant = ([word for word in text.lower().replace(".", " .").split(" ") if word] for text in (given, wanted))
    shares = []
    for order in (1, 2):
        a, b = ngrams(said, order), ngrams(meant, order)
        shares.append((a & b).total() / max(a.total(), 1))
    if not all(shares):
        return 0.0
    return min(1.0, math.exp(1 - len(meant) / len(said))) * math.sqrt(shares[0] * shares[1])
