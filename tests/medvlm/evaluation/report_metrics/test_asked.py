"""Scores that are asked for by name: what is absent is said before, what is there is scored with all reports."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from nltk.translate.bleu_score import sentence_bleu

from medvlm.evaluation.protocols import Protocol
from medvlm.evaluation.records import Record, grade
from medvlm.evaluation.report_metrics.asked import REPORT_METRICS, add_report_metrics, read_asked
from medvlm.evaluation.report_metrics.graphs import V1, radcliq
from medvlm.evaluation.report_metrics.radcliq import bleu2, parts_of
from medvlm.evaluation.report_metrics.ratescore import rate_scores, ratescore
from medvlm.evaluation.report_metrics.reports import reports_of
from medvlm.evaluation.scoring import score_records
from medvlm.study import Sample, SampleError, WeightsError

EFFUSION = {"1": {"tokens": "effusion", "label": "OBS-DP", "relations": []}}


def asked(records: Sequence[Record], *names: str) -> dict[str, Any]:
    """The added scores by name, and their n."""
    plain = score_records(records, Protocol("own"))
    found = add_report_metrics(plain, names, records).corpus[len(plain.corpus) :]
    assert {metric.n for metric in found} == {len(records)}
    return {metric.name: metric.value for metric in found}


def lines(path: Path, *objects: Any) -> Path:
    path.write_bytes(b"\r\n".join(json.dumps(one).encode() for one in objects) + b"\r\n")
    return path


@pytest.mark.parametrize("name", [name for name in REPORT_METRICS if name != "radrscore"])
def test_what_is_not_named_or_not_there_is_said_with_its_place_and_licence(name: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"published at .*Licence: .*NAME=FOLDER"):
        read_asked([name])
    with pytest.raises(WeightsError, match=r"holds no .*Published at .*Licence: "):
        read_asked([f"{name}={tmp_path}"])


def test_names_are_checked(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="did you mean 'chexbert'"):
        read_asked(["chexpert=x"])
    with pytest.raises(ValueError, match="asked for twice"):
        read_asked(["radrscore", "radrscore"])
    with pytest.raises(FileNotFoundError, match="no file"):
        read_asked([f"green={tmp_path / 'g.jsonl'}"])
    with pytest.raises(ValueError, match=r"no \.jsonl file of a judge"):
        read_asked([f"radrscore={tmp_path}"])


def test_runs_without_reports_are_refused() -> None:
    closed = [grade(Sample("1", (), "Any?", "yes", "closed"), "yes", run="r", cluster="c")]
    with pytest.raises(ValueError, match="no question asks for a report"):
        add_report_metrics(score_records(closed, Protocol("own")), ["radrscore"], closed)


# --- of weights ------------------------------------------------------------------------------------------------------


def test_bertscore_has_all_reports_and_says_how(bert: Callable[[str], Path], records: list[Record]) -> None:
    folder = bert("encoder")
    ((name, value),) = asked(records, f"bertscore={folder}").items()
    assert name == "bertscore_f1[medvlm|encoder|layer:last|not rescaled|idf:no|1 empty count 0]"
    (folder / "bertscore.json").write_text('{"layer": 1, "baseline": 0.5}')
    assert "|layer:1|rescaled:0.5|" in next(iter(asked(records, f"bertscore={folder}")))
    alone = asked(records[:1], f"bertscore={folder}")
    assert list(alone.values()) == pytest.approx([1.0], abs=1e-6)
    assert value < 1
    (folder / "bertscore.json").write_text('{"layers": 1}')
    with pytest.raises(ValueError, match="some of layer, baseline"):
        asked(records, f"bertscore={folder}")


def test_chexbert_has_twelve_scores(chexbert: Callable[[str], Path], records: list[Record]) -> None:
    found = asked(records, f"chexbert={chexbert('c')}")
    assert len(found) == 12
    assert all(name.startswith("chexbert_") for name in found)


def test_srr_bert_labels_a_report_by_its_sentences(bert: Callable[[str], Path], records: list[Record]) -> None:
    from transformers import AutoModelForSequenceClassification

    folder = bert("srr")
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=3)
    model.classifier.weight.data.zero_()
    model.classifier.bias.data = model.classifier.bias.data.new_tensor([3.0, -3.0, 0.1])
    model.save_pretrained(folder)
    found = asked(records, f"srr_bert={folder}")
    assert found["srr_bert:srr_weighted_f1[2 labels that occur]"] == pytest.approx(2 * 3 / 7)
    assert found["srr_bert:srr_sample_f1[mean over reports|both empty: 1]"] == 0.75


class Drops:
    """RaTEScore gives no row for a report of less than three letters."""

    def compute_score(self, given: list[str], wanted: list[str]) -> list[float]:
        return [float(a == b) for a, b in zip(given, wanted, strict=True) if len(a) > 2 and len(b) > 2]


def test_short_reports_shift_no_ratescore(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medvlm.evaluation.report_metrics.ratescore.version", lambda name: "0.6.0")
    given, wanted = ["Edema.", "", "ab", "Mass."], ["Edema.", "Mass.", "Mass.", "Mass."]
    assert rate_scores(given, wanted, Drops()) == [1.0, 0.0, 0.0, 1.0]
    metric = ratescore(given, wanted, Drops())
    assert (metric.value, metric.n) == (0.5, 4)
    assert metric.name == "ratescore[RaTEScore 0.6.0|matrix:long|mean over reports|2 too short count 0]"
    with pytest.raises(ValueError, match="0 rows for 1 pairs"):
        rate_scores(["Edema."], ["Mass."], type("None_", (), {"compute_score": lambda *pairs: []})())


def test_radgraph_of_annotations_by_id(tmp_path: Path, records: list[Record]) -> None:
    graphs = [{"id": name, "given": EFFUSION, "wanted": EFFUSION if name != "2" else {}} for name in "1234"]
    found = asked(records, f"radgraph={lines(tmp_path / 'g.jsonl', *graphs)}")
    assert found["radgraph_simple_f1[g.jsonl|mean over reports|no case|both empty: 1]"] == 0.75
    with pytest.raises(SampleError, match="1 reports have no given and wanted graph, first '4'"):
        asked(records, f"radgraph={lines(tmp_path / 'g.jsonl', *graphs[:3])}")


# --- RadCliQ ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def four(bert: Callable[[str], Path], chexbert: Callable[[str], Path]) -> Path:
    """What RadCliQ needs."""
    home = bert("home/bertscore").parent
    (home / "bertscore" / "bertscore.json").write_text('{"layer": 1, "baseline": 0.5}')
    chexbert("home/chexbert")
    lines(home / "radgraph.jsonl", *({"id": name, "given": EFFUSION, "wanted": EFFUSION} for name in "1234"))
    return home


def test_radcliq_is_that_of_its_parts(four: Path, records: list[Record]) -> None:
    parts = parts_of(reports_of(records), four, "cpu")
    assert parts[0] == pytest.approx([0.5, 1.0, 1.0, 1.0], abs=1e-5)
    assert parts[2][1:] == [0.0, 0.0, 0.0]
    ((name, value),) = asked(records, f"radcliq={four}").items()
    assert name.startswith("radcliq_v1[")
    assert value == pytest.approx(radcliq(parts)[0].value)


def test_radcliq_v0_needs_numbers_that_are_in_a_pickle_alone(four: Path, records: list[Record]) -> None:
    with pytest.raises(ValueError, match=r"normalizer\.pkl.*write them into .*normaliser\.json as"):
        read_asked([f"radcliq_v0={four}"])
    (four / "normaliser.json").write_text('{"mean": [1, 2, 3], "scale": [1, 1, 1, 1]}')
    with pytest.raises(ValueError, match=r"expected .*the same four"):
        read_asked([f"radcliq_v0={four}"])
    (four / "normaliser.json").write_text(json.dumps({"mean": list(V1.mean), "scale": list(V1.scale)}))
    parts = parts_of(reports_of(records), four, "cpu")
    (value,) = asked(records, f"radcliq_v0={four}").values()
    assert value == pytest.approx(radcliq(parts, "v0", V1)[0].value)


def test_radcliq_needs_the_rescaled_bertscore(four: Path) -> None:
    (four / "bertscore" / "bertscore.json").unlink()
    with pytest.raises(WeightsError, match="fitted on rescaled BERTScore"):
        read_asked([f"radcliq={four}"])


@pytest.mark.filterwarnings("ignore:\\s*The hypothesis contains 0 counts")
@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("No effusion.", "No large effusion."),
        ("The heart is normal. The heart is normal.", "The heart is normal."),
        ("Large left effusion is seen.", "Large left effusion."),
        ("Edema", "Edema"),
        ("Edema is seen", "No nodule."),
        ("", "No nodule."),
    ],
)
def test_bleu_2_is_that_of_nltk(given: str, wanted: str) -> None:
    said, meant = ([w for w in text.lower().replace(".", " .").split(" ") if w] for text in (given, wanted))
    reference = sentence_bleu([meant], said, weights=(0.5, 0.5))
    assert bleu2(given, wanted) == pytest.approx(reference, abs=1e-12)


# --- of judges -------------------------------------------------------------------------------------------------------

GREEN = "[Clinically Significant Errors]:\n(a) False: {a}\n[Matched Findings]:\n1. effusion"


def test_green_of_a_file_counts_what_is_absent(tmp_path: Path, records: list[Record]) -> None:
    said = [{"id": 1, "output": GREEN.format(a="0")}, {"id": "2", "output": GREEN.format(a="1 nodule")}]
    found = asked(records, f"green={lines(tmp_path / 'g.jsonl', *said, {'id': '4', 'output': 'Sorry.'})}")
    assert found == {"green[mean over reports|2 unread count 0]": (1 + 0.5) / 4}


def test_crimson_of_a_file_reads_objects_and_texts(tmp_path: Path, records: list[Record]) -> None:
    finding = {"id": "R1", "clinical_significance": "urgent"}
    right = {"reference_findings": [finding], "predicted_findings": [], "matched_findings": [{"ref_id": "R1"}]}
    right["errors"] = {}  # type: ignore[assignment]
    said = [{"id": "1", "output": right}, {"id": "2", "output": f"Here it is: {json.dumps(right)} Done."}]
    found = asked(records, f"crimson={lines(tmp_path / 'c.jsonl', *said, {'id': '3', 'output': '{}'})}")
    assert found == {"crimson[mean over reports|2 failed count 0|-1 to 1]": 0.5}


def test_radrscore_of_a_judge_or_of_rules(tmp_path: Path, records: list[Record]) -> None:
    said = {"factuality": 1, "completeness": 0.5, "effectiveness": 0}
    found = asked(records, f"radrscore={lines(tmp_path / 'r.jsonl', {'id': '1', **said})}")
    assert found["radrscore_factuality[r.jsonl|mean over samples|3 failed count 0]"] == 0.25
    own = asked(records, "radrscore")
    assert own["radrscore_factuality[rule_chexpert|mean over samples|0 failed count 0]"] == 0.5 / 4
    with pytest.raises(SampleError, match="each from 0 to 1"):
        asked(records, f"radrscore={lines(tmp_path / 'r.jsonl', {'id': '1', **said, 'factuality': 3})}")


@pytest.mark.parametrize(
    ("line", "match"),
    [(b"{", "no JSON"), (b"[]", "no object with an id"), (b'{"id": 9}', "unknown or there twice, first '9'")],
)
def test_files_of_others_are_refused(line: bytes, match: str, tmp_path: Path, records: list[Record]) -> None:
    path = tmp_path / "g.jsonl"
    path.write_bytes(line)
    with pytest.raises(SampleError, match=match):
        asked(records, f"green={path}")


def test_a_model_judges_by_its_prompt(tmp_path: Path, records: list[Record], monkeypatch: pytest.MonkeyPatch) -> None:
    """A model without training says nothing that can be read: four reports, none of them with a score."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    words = {word: place for place, word in enumerate(["[UNK]", "large", "effusion", "."])}
    inner = Tokenizer(WordLevel(words, unk_token="[UNK]"))
    inner.pre_tokenizer = Whitespace()  # type: ignore[assignment, unused-ignore]
    PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="[UNK]").save_pretrained(tmp_path)
    sizes: dict[str, Any] = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    LlamaForCausalLM(LlamaConfig(vocab_size=4, **sizes)).save_pretrained(tmp_path)
    monkeypatch.setattr("medvlm.evaluation.report_metrics.judges.MOST_TOKENS", 4)
    (tmp_path / "prompt.txt").write_text("Compare {reference}.")
    with pytest.raises(ValueError, match=r"expected \{reference\} and \{candidate\}"):
        asked(records, f"green={tmp_path}")
    (tmp_path / "prompt.txt").write_text("Reference: {reference} Candidate: {candidate}")
    assert asked(records, f"green={tmp_path}") == {"green[mean over reports|4 unread count 0]": 0.0}
