"""Protocols: the line beside a score, the counts of released splits, the clusters, what is asked."""

from __future__ import annotations

import runpy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from medvlm.datamodules.sets import SETS, load_set
from medvlm.datamodules.splits import split_hash
from medvlm.evaluation.answerer import run_key
from medvlm.evaluation.protocols import PROTOCOLS, KnownSplit, Protocol, get_protocol
from medvlm.evaluation.runner import evaluate
from medvlm.generation.prompts import INSTRUCTIONS, Prompter, prompt_hash, user_text
from medvlm.study import ImageRef, Sample, SampleError

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
RELEASES = Path(__file__).parents[2] / "datamodules" / "sets" / "releases"
SAMPLES = [Sample(str(index), (ImageRef(Path("a.png")),), "?", "yes", "closed", group="p") for index in range(3)]
IN_CHINESE = replace(SAMPLES[0], categories={"language": "zh"})


@pytest.mark.parametrize("name", SETS)
def test_every_set_has_a_protocol_for_all_its_kinds(name: str) -> None:
    found = get_protocol(name)
    assert (found.name, found.set) == (name, name)
    assert found.version >= 1
    assert set(SETS[name].kinds) <= found.instructions.keys() == found.rules.keys()
    assert all(texts.keys() == found.rules.keys() for texts in found.translations.values())


@pytest.mark.parametrize("name", sorted(path.stem for path in RELEASES.glob("[a-z]*.py")))
def test_what_a_set_gives_is_asked_and_broken_down(name: str, tmp_path: Path) -> None:
    release = SimpleNamespace(**runpy.run_path(str(RELEASES / f"{name}.py")))
    release.write(tmp_path / "set")
    samples = list(load_set(name, tmp_path / "set", getattr(release, "SPLIT", "test")))
    protocol = get_protocol(name)
    asked = [protocol.ask(sample) for sample in samples]
    assert [user_text(sample) for sample in asked] == [user_text(sample) for sample in samples]
    assert not [note for note in protocol.notes(samples) if "show" in note]
    given = {key for sample in samples for key in sample.categories} | {"label"}  # labels are asked by an option
    assert set(protocol.breakdown or ()) <= given


@pytest.mark.parametrize("name", SETS)
def test_counts_are_those_of_the_card_where_nothing_better_is_known(name: str) -> None:
    for known in get_protocol(name).splits:
        card = SETS[name].expected(known.split)
        if card and not known.hash and not known.options:
            assert known.count == card or name.startswith("mimic_cxr"), known


def test_a_default_protocol_asks_what_training_asks() -> None:
    assert get_protocol("thorax").prompt_hash == prompt_hash()
    assert all(
        Protocol("own").ask(replace(SAMPLES[0], kind=kind)).instruction == INSTRUCTIONS[kind] for kind in INSTRUCTIONS
    )


def test_the_header_names_what_decides_the_number() -> None:
    header = get_protocol("thorax").header(SAMPLES)
    assert header.startswith("thorax v1 | prompt ")
    assert "n=3 (closed)" in header
    assert header.endswith(f"fingerprint {get_protocol('thorax').fingerprint}")
    assert header == get_protocol("thorax").header(SAMPLES[::-1])
    assert header != get_protocol("thorax").header(SAMPLES[:2])


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"rules": {"closed": "other"}},
        {"instructions": {"closed": "other"}},
        {"translations": {"zh": {"closed": "其他"}}},
        {"shown": 1},
        {"cluster": "image"},
        {"macro": ("organ",)},
        {"options": {"languages": ["zh"]}},
        {"chest": False},
    ],
)
def test_the_fingerprint_follows_every_part(change: dict[str, Any]) -> None:
    own = Protocol("own")
    assert replace(own, **change).fingerprint != own.fingerprint
    assert replace(own, about="else", breakdown=(), paper="else").fingerprint == own.fingerprint


def test_another_instruction_changes_what_is_asked_and_the_key_of_the_run(tiny: Any) -> None:
    own, prompter = Protocol("own"), Prompter(tiny[1])
    other = replace(own, instructions={**own.instructions, "closed": "Say yes or no."})
    bare = replace(SAMPLES[0], images=())
    assert prompter.prompt(own.ask(bare)) == prompter.prompt(bare)
    assert prompter.prompt(other.ask(bare)) != prompter.prompt(bare)
    assert "Say yes or no." in prompter.text(other.ask(bare))
    engine: Any = SimpleNamespace(prompter=prompter)
    keys = {run_key(engine, protocol, max_new_tokens=1, model_key="m") for protocol in (own, other)}
    assert len(keys) == 2


def test_an_examination_asks_in_the_words_of_its_protocol(
    engine: Any, samples: list[Sample], pixels: Any, tmp_path: Path
) -> None:
    own = Protocol("own", instructions={"closed": "Yes or no?"}, splits=(KnownSplit("train", "all", len(samples)),))
    score = evaluate(engine, samples, pixels, own, tmp_path / "real.jsonl")
    asked = [question for call in engine.calls for ask in call for question in ask.questions]
    assert {question.instruction for question in asked} == {"Yes or no?"}
    assert score.split["state"] == "counted"
    assert own.fingerprint in score.header
    engine.calls.clear()
    evaluate(engine, samples, pixels, replace(own, instructions={"closed": "No?"}), tmp_path / "real.jsonl")
    assert len(engine.asked) == len(samples), "answers to another prompt are not taken over"


def test_a_question_is_asked_in_its_language() -> None:
    slake = get_protocol("slake")
    assert slake.ask(IN_CHINESE).instruction == "请简短回答。"
    assert (
        slake.ask(SAMPLES[0]).instruction == slake.ask(replace(IN_CHINESE, categories={"language": "en"})).instruction
    )
    assert slake.notes([IN_CHINESE]) == slake.notes(SAMPLES[:1])
    assert "no prompts in zh" in Protocol("own").notes([IN_CHINESE])[0]
    assert get_protocol("slake_zh").ask(SAMPLES[0]).instruction == "请简短回答。"


def test_a_kind_without_a_prompt_is_not_asked() -> None:
    with pytest.raises(SampleError, match=r"'0' wants an answer of kind box, protocol pmc_vqa asks choice; name"):
        get_protocol("pmc_vqa").ask(replace(SAMPLES[0], kind="box"))


def test_only_the_first_images_are_shown_and_make_the_cluster() -> None:
    images = (ImageRef(Path("a.png")), ImageRef(Path("b.png")))
    sample, first = replace(SAMPLES[0], images=images), Protocol("own", shown=1, cluster="image")
    assert first.ask(sample).images == images[:1]
    assert first.cluster_of(sample) == "a.png"
    assert Protocol("own", cluster="image").ask(sample).images == images


def test_another_form_of_image_is_said() -> None:
    volume = replace(SAMPLES[0], images=(ImageRef(Path("a.nii.gz"), volume=True),))
    assert "questions show picture; m3d_vqa is for volume" in get_protocol("m3d_vqa").notes(SAMPLES)[0]
    assert get_protocol("m3d_vqa").notes([volume]) == ()
    assert "questions show picture; medqa is for none" in get_protocol("medqa").notes(SAMPLES)[-1]


def test_clusters_are_patients_or_images() -> None:
    assert Protocol("own").cluster_of(SAMPLES[0]) == "p"
    assert Protocol("own", cluster="image").cluster_of(SAMPLES[0]) == "a.png"
    assert Protocol("own").cluster_of(replace(SAMPLES[0], group="")) == "a.png"


def test_an_unknown_protocol_names_the_nearest() -> None:
    with pytest.raises(ValueError, match="did you mean 'vqa_rad'"):
        get_protocol("vqarad")


def known(count: int, digest: str = "", split: str = "train") -> Protocol:
    return Protocol("own", splits=(KnownSplit(split, "official", count, digest),))


def test_a_split_is_verified_counted_or_neither() -> None:
    digest = split_hash(SAMPLES)
    assert f"split {digest} (official, verified) | n=3" in known(3, digest).header(SAMPLES)
    assert f"split {digest} (official, 3 as published, hash not known)" in known(3).header(SAMPLES)
    assert known(3, digest).notes(SAMPLES) == known(3).notes(SAMPLES) == ()
    other = known(3, "0" * 12)
    assert f"split {digest} (official, 3 as published, but other questions: {'0' * 12} expected)" in other.header(
        SAMPLES
    )
    assert f"not the same ones: their ids give {digest}, those of the release {'0' * 12}" in other.notes(SAMPLES)[0]
    assert f"split {digest} (none that is published: 4 (official))" in known(4).header(SAMPLES)
    assert known(4).notes(SAMPLES) == ("3 questions are not the whole of a known split: 4 (official)",)
    assert known(4).check_split(SAMPLES).to_json()["published"] == "4 (official)"


def test_a_split_of_which_nothing_is_published_has_its_hash_alone() -> None:
    for protocol in (Protocol("own"), known(4, split="test")):
        assert f"split {split_hash(SAMPLES)} | n=3" in protocol.header(SAMPLES)
        assert protocol.check_split(SAMPLES).expected({}, {}) == ()
    assert known(3, split="all").check_split([replace(s, split="x") for s in SAMPLES]).state == "counted"


def test_few_unusable_records_leave_a_release_whole() -> None:
    many = [replace(SAMPLES[0], id=str(index)) for index in range(198)]
    check = known(200).check_split(many, unusable=2)
    assert (check.state, check.unusable) == ("counted", 2)
    assert "200 as published less 2 unusable, hash not known" in check.to_text()
    assert check.notes() == ("official: 2 of 200 records are unusable and were not asked",)
    assert known(200).check_split(many).state == "other count"
    assert known(200).check_split(many[:190], unusable=10).state == "other count"


def test_what_is_expected_follows_what_the_loader_was_told() -> None:
    slake = get_protocol("slake")
    check = slake.check_split([replace(sample, split="test") for sample in SAMPLES])
    assert [known.count for known in check.expected({}, slake.options)] == [1061]
    assert [known.count for known in check.expected({"languages": ["en", "zh"], "images": "x"}, {})] == [2094]
    assert check.expected({"languages": ["fr"]}, {}) == ()
    parts = get_protocol("path_mmu").check_split([replace(sample, split="test") for sample in SAMPLES])
    assert parts.expected({}, {}) == ()
    assert "none that is published: 799 (Atlas, test)" in parts.to_text()


def real(name: str) -> Path:
    if not (DATA / name).exists():
        pytest.skip(f"no ../shared/data: {name}")
    return DATA / name


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("vqa_rad", "vqa_rad"),
        ("vqa_rad_images", "vqa_rad"),
        ("slake", "slake"),
        pytest.param("openi", "openi", marks=pytest.mark.slow),
        ("openi_r2gen", "openi/r2gen"),
    ],
)
def test_released_splits_have_the_published_counts_and_hashes(name: str, folder: str) -> None:
    root, protocol = real(folder), PROTOCOLS[name]
    for split in protocol.splits:
        samples = list(load_set(protocol.set, root, split.split, **{**protocol.options, **split.options}))
        check = protocol.check_split(samples)
        assert (check.state, check.known) == ("verified", split)
        assert protocol.notes(samples) == ()
        assert "are not the whole of a known split" in protocol.notes(samples[:10])[0]
        assert protocol.check_split([*samples[1:], replace(samples[0], id="new")]).state == "other questions"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_slake_apart_by_language_has_the_splits_of_slake(language: str) -> None:
    apart, together = get_protocol(f"slake_{language}"), get_protocol("slake")
    assert apart.options == {"languages": [language]}
    assert all(known in together.splits for known in apart.splits)
    assert {"en": 1061, "zh": 1033}[language] == apart.splits[0].count


def test_the_released_table_of_ct_rate_has_the_published_count() -> None:
    from medvlm.datamodules.sets.ct_rate_tables import read_metadata

    rows = read_metadata(real("ct_rate_metadata") / "validation_metadata.csv")
    scans = {name.rpartition("_")[0] for name in rows}
    counts = {known.what: known.count for known in get_protocol("ct_rate").splits}
    assert (counts["validation volumes"], counts["validation scans, one volume each"]) == (len(rows), len(scans))
    samples = [Sample(name, (), "?", "", "report", split="validate") for name in rows]
    assert get_protocol("ct_rate").check_split(samples).state == "verified"
