"""Predictions of anyone: what a file may look like, what is refused, and that they score as a run does."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import pytest

from medvlm.evaluation.command import main
from medvlm.evaluation.predictions import match, read_predictions, score_predictions
from medvlm.evaluation.protocols import Protocol
from medvlm.evaluation.records import read_records
from medvlm.study import Sample, SampleError

OWN = Protocol("own")


def write(path: Path, lines: Sequence[object]) -> Path:
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    return path


def test_every_usual_form_of_a_line_is_read(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    lines = ['{"id": 1, "prediction": "yes", "answer": "no"}', '{"question_id": "2", "text": "左肺\u2028。"}', ""]
    lines += ['{"qid": 3, "answer": 4.5}', '{"id": "4", "prediction": null}']
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    assert read_predictions(path) == {"1": "yes", "2": "左肺\u2028。", "3": "4.5", "4": ""}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "holds no prediction"),
        (b"{\n", "p.jsonl:1 is no JSON"),
        (b"[1]\n", "is list"),
        (b'{"id": 1}\n', "has the fields id; expected"),
        (b'{"id": true, "text": "a"}\n', "neither text nor a number"),
        (b'{"id": 1, "text": ["a"]}\n', "neither text nor a number"),
        ('{"id": 1, "text": "a"}\n'.encode("utf-16"), "no JSON in UTF-8"),
        (b'{"id": 1, "text": "a"}\n{"id": "1", "text": "a"}\n', "1 ids occur more than once .'1'"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "p.jsonl").write_bytes(content)
    with pytest.raises(SampleError, match=said):
        read_predictions(tmp_path / "p.jsonl")


def test_ids_match_over_unicode_forms_and_foreign_ones_are_counted(samples: list[Sample]) -> None:
    named = [Sample("é", (), "?", "yes", "closed")]
    assert match({unicodedata.normalize("NFD", "é"): "yes"}, named) == {"é": "yes"}
    with pytest.raises(SampleError, match=r"3 of 4 .* 2 are of split train \('x', 'y'\); 1 are unknown \('z'\)"):
        match(dict.fromkeys(["x", "y", "z", samples[0].id], "yes"), samples, lambda: {"train": ["x", "y"]})


def test_missing_and_empty_predictions_are_wrong_and_shown(samples: list[Sample]) -> None:
    given = {sample.id: sample.answer for sample in samples[2:]} | {samples[0].id: " "}
    score, records = score_predictions(samples, given, OWN, source="p.jsonl")
    assert score.accuracy is not None
    assert score.accuracy.value == pytest.approx(10 / 12)
    assert (score.n, score.errors, records[1].error) == (12, 1, "no prediction in the file")
    assert f"1 questions have no prediction and count as wrong: {samples[1].id!r}" in score.to_text()
    assert f"1 predictions are empty and count as wrong: {samples[0].id!r}" in score.to_text()


def test_one_sample_and_one_class_score_without_an_interval(samples: list[Sample]) -> None:
    one, _ = score_predictions(samples[:1], {samples[0].id: samples[0].answer}, OWN, source="p")
    assert one.accuracy is not None
    assert one.accuracy.value == 1.0
    assert "none (one cluster)" in one.to_text()
    alike = [sample for sample in samples if sample.answer == "yes"]
    score, _ = score_predictions(alike, {sample.id: "yes" for sample in alike}, OWN, source="p")
    assert score.accuracy is not None
    assert (score.accuracy.low, score.accuracy.high) == (1.0, 1.0)


def test_long_reports_in_any_script_are_scored() -> None:
    texts = ["心脏增大。" * 2_000, "No acute disease.\r\n" * 2_000]
    samples = [Sample(str(index), (), "Report.", text, "report") for index, text in enumerate(texts)]
    score, _ = score_predictions(samples, dict(zip("01", texts, strict=True)), OWN, source="p")
    assert dict((metric.name.split("|")[0], metric.value) for metric in score.corpus)  # noqa: C402
    assert score.unparsed == 0


def test_the_command_scores_a_file_of_slake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = {"img_name": "xmlab1/source.jpg", "q_lang": "en", "answer_type": "CLOSED"}
    for split in ("train", "validate", "test"):
        rows = [base | {"qid": f"{split}{index}", "question": "CT?", "answer": "Yes"} for index in range(2)]
        (tmp_path / f"{split}.json").write_text(json.dumps(rows))
    path = write(tmp_path / "p.jsonl", [{"id": "test0", "prediction": "Yes."}])
    options = ["--predictions", str(path), "--protocol", "slake_en", "--root", str(tmp_path), "--baselines", "majority"]
    assert main(options) == 1
    assert "gives 2 questions (0 records are unusable), slake_en expects 1061 (test" in capsys.readouterr().err
    options += ["--partial"]
    assert main(options) == 0
    printed = capsys.readouterr().out
    assert "slake_en v1 | prompt" in printed
    assert "2 questions are not the whole of a known split: 1061 (test, English)" in printed
    stated = json.loads((tmp_path / "p.scored" / "score.json").read_text())["split"]
    assert (stated["state"], stated["count"]) == ("other count", 2)
    assert "baseline: majority" in printed
    records = read_records(tmp_path / "p.scored" / "real.jsonl")
    assert [(record.id, record.correct) for record in records] == [("test0", True), ("test1", False)]
    write(path, [{"id": "train1", "prediction": "Yes."}])
    assert main(options) == 1
    assert "1 are of split train ('train1')" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "name a model, or --predictions FILE"),
        (["model", "--predictions", "p.jsonl"], "not both"),
        (["model", "--set", "slake"], "--out"),
        (["--predictions", "p.jsonl"], "--protocol"),
        (["--predictions", "p.jsonl", "--protocol", "slake", "--baselines", "blank"], "majority alone"),
    ],
)
def test_options_that_do_not_go_together_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    assert main([*options, "--root", str(tmp_path)]) == 1
    assert said in capsys.readouterr().err
