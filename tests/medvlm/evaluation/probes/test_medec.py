"""MEDEC's files: a run and references as released, scored by hand numbers."""

from __future__ import annotations

import pytest

from medvlm.evaluation.probes.medec import read_references, read_run, score_run
from medvlm.evaluation.probes.verdicts import Verdict
from medvlm.study import SampleError

RIGHT = Verdict(False)
HEADER = (
    "Text ID,Text,Sentences,Error Flag,Error Type,Error Sentence ID,Error Sentence,Corrected Sentence,Corrected Text"
)
REFERENCES = f"""{HEADER}
t-0,"A. B.","0 A.
1 B.
",1,causalOrganism,1,No edema.,"Edema, mild.",A. Edema.
t-1,A.,0 A.,0,NA,-1,NA,NA,NA
t-2,A.,0 A.,1,diagnosis,0,A.,C.,C.
t-3,A.,0 A.,0,NA,-1,NA,NA,NA
"""


def test_a_run_of_mediqa_corr_is_read_as_its_task_reads_it() -> None:
    text = 'ms-1 0 -1 NA\r\n\r\nms-2 1 8 "He has  sepsis."\nms-3 0 4 ignored\nms-4 1 0 NA\n'
    assert dict(read_run(text)) == {
        "ms-1": RIGHT,
        "ms-2": Verdict(True, 8, "He has  sepsis."),
        "ms-3": RIGHT,
        "ms-4": Verdict(True, 0),
    }


@pytest.mark.parametrize("line", ["ms-1", "ms-1 2 0 x", "ms-1 1 x y", "ms-0 0 -1 NA"])
def test_lines_that_are_none_of_a_run_are_refused(line: str) -> None:
    with pytest.raises(SampleError, match="run:2 "):
        read_run(f"ms-0 0 -1 NA\n{line}")


def test_references_are_read_with_quoted_lines_and_na() -> None:
    found = read_references("\ufeff" + REFERENCES.replace("\n", "\r\n"))
    assert found["t-0"] == (Verdict(True, 1, "Edema, mild."), "No edema.")
    assert found["t-1"] == (RIGHT, "")


def test_a_run_is_scored_and_a_missing_line_is_wrong() -> None:
    """As the task counts: flags 2 of 4 right (t-3 has no line), sentences 2 of 4."""
    run = read_run('t-0 1 1 "edema mild"\nt-1 0 -1 NA\nt-2 0 -1 NA\n')
    found = {score.name: score.value and score.value.value for score in score_run(run, read_references(REFERENCES))}
    assert found["detection accuracy"] == 0.5
    assert found["sentence accuracy, none where there is none"] == 0.5
    assert found["correction, exact after normalisation"] == 0.5
    assert found["correction, same findings by rule_chexpert"] == 1.0


def test_another_split_and_broken_references_are_refused() -> None:
    with pytest.raises(SampleError, match="first 'x'; is it another split"):
        score_run({"x": RIGHT}, read_references(REFERENCES))
    with pytest.raises(SampleError, match="no column Error Sentence"):
        read_references(REFERENCES.replace("Error Sentence,", "Sentence,"))
    with pytest.raises(SampleError, match="text 't-1' has flag '2'"):
        read_references(REFERENCES.replace("t-1,A.,0 A.,0", "t-1,A.,0 A.,2"))
    with pytest.raises(SampleError, match="each id once"):
        read_references(REFERENCES.replace("t-1,", "t-0,"))
    with pytest.raises(SampleError, match="have no text"):
        score_run({}, read_references(HEADER))
