"""RadGraph F1 and RadCliQ by hand."""

from __future__ import annotations

from typing import Any

import pytest

from medvlm.evaluation.report_metrics.graphs import V1, Normaliser, graph_combined, radcliq, radgraph_scores

WANTED: dict[str, dict[str, Any]] = {
    "1": {"tokens": "effusion", "label": "OBS-DP", "relations": [["located_at", "2"]]},
    "2": {"tokens": "left", "label": "ANAT-DP", "relations": []},
}
GIVEN: dict[str, dict[str, Any]] = {
    "1": {"tokens": "effusion", "label": "OBS-DP", "relations": [["located_at", "2"]]},
    "2": {"tokens": "right", "label": "ANAT-DP", "relations": []},
}


def test_the_three_forms_by_hand() -> None:
    """Of two entities one is shared; with its relation's target none is."""
    values = [metric.value for metric in radgraph_scores([GIVEN, WANTED], [WANTED, WANTED])]
    assert values == pytest.approx([0.75, 0.75, 0.5])
    with pytest.raises(ValueError, match="as many"):
        radgraph_scores([], [])


def test_the_combined_form_is_the_mean_of_entities_and_relations() -> None:
    assert graph_combined(WANTED, WANTED) == 1.0
    assert graph_combined(GIVEN, WANTED) == pytest.approx((1 / 2 + 0) / 2)
    assert graph_combined({}, {}) == 0.0


def test_radcliq_v1_by_hand() -> None:
    """One scale above the mean in each part earns the sum of the coefficients."""
    above = [mean + scale for mean, scale in zip(V1.mean, V1.scale, strict=True)]
    assert radcliq([above])[0].value == pytest.approx(-0.377083683 - 0.3703001 - 0.252616218)
    assert radcliq([above, V1.mean])[0].value == pytest.approx(-1.000000001 / 2)


def test_radcliq_v1_does_not_read_bleu_and_better_is_lower() -> None:
    assert radcliq([[0.5, 0.5, 0.5, 0.0]])[0].value == pytest.approx(radcliq([[0.5, 0.5, 0.5, 1.0]])[0].value)
    assert radcliq([[1.0, 1.0, 1.0, 1.0]])[0].value < radcliq([[0.1, 0.1, 0.1, 0.1]])[0].value


def test_radcliq_v0_needs_its_normaliser() -> None:
    plain = Normaliser((0.0,) * 4, (1.0,) * 4)
    assert radcliq([[1.0, 1.0, 1.0, 1.0]], "v0", plain)[0].value == pytest.approx(0.23874)
    with pytest.raises(ValueError, match=r"normalizer\.pkl"):
        radcliq([[1.0, 1.0, 1.0, 1.0]], "v0")
    with pytest.raises(ValueError, match="of each report radgraph_combined"):
        radcliq([[1.0]])
