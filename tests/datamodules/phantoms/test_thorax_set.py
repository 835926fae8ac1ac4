"""The thorax set: written once and whole, splits by patient, label errors in the stated band, bad arguments."""

from __future__ import annotations

import json
from pathlib import Path

import pydicom
import pytest

from medvlm.datamodules.phantoms.compare import mine_change
from medvlm.datamodules.phantoms.roots import SHARES, pool_of, read_manifest
from medvlm.datamodules.phantoms.thorax_files import make_thorax
from medvlm.datamodules.phantoms.thorax_set import label_error_rate, load_thorax
from medvlm.study import Sample, SampleError


def _all(root: Path, **options: object) -> list[Sample]:
    return [one for split in ("train", "validate", "test") for one in load_thorax(root, split, **options)]  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def listed_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The manifest of 900 patients with the smallest images."""
    return make_thorax(tmp_path_factory.mktemp("listed") / "root", patients=900, seed=11, size=32)


def test_images_exist_and_belong_to_the_sample(phantom_root: Path) -> None:
    for sample in _all(phantom_root):
        (image,) = sample.images
        assert pydicom.dcmread(image.path, stop_before_pixels=True).PatientID == sample.group
        assert not image.volume


def test_volumes_are_folders_or_nifti(phantom_root: Path) -> None:
    series = next(load_thorax(phantom_root, "train", modality="ct")).images[0]
    nifti = next(load_thorax(phantom_root, "train", modality="nifti")).images[0]
    assert series.volume
    assert nifti.volume
    assert len(list(series.path.iterdir())) == 12
    assert nifti.path.name.endswith(".nii.gz")


def test_splits_and_pools_share_no_patient(listed_root: Path) -> None:
    groups = {
        "sft": {one.group for one in load_thorax(listed_root, "train", pool="sft")},
        "rl": {one.group for one in load_thorax(listed_root, "train", pool="rl")},
        "validate": {one.group for one in load_thorax(listed_root, "validate")},
        "test": {one.group for one in load_thorax(listed_root, "test")},
    }
    assert all(groups.values())
    assert len(set.union(*groups.values())) == sum(len(group) for group in groups.values())


def test_pools_have_their_shares_and_ignore_the_size_of_the_root() -> None:
    pools = [pool_of(index) for index in range(5000)]
    for pool, share in SHARES.items():
        assert pools.count(pool) / 5000 == pytest.approx(share, abs=0.01)


def test_ids_are_unique_and_stable(phantom_root: Path) -> None:
    samples = _all(phantom_root)
    assert len({sample.id for sample in samples}) == len(samples)
    assert samples == _all(phantom_root)


def test_two_roots_of_one_seed_are_the_same_bytes(phantom_root: Path, tmp_path: Path) -> None:
    again = make_thorax(tmp_path / "again", patients=3, seed=3, size=64, modality="both", shape=(12, 24, 24))
    for path in sorted(again.rglob("*.dcm")):
        assert path.read_bytes() == (phantom_root / path.relative_to(again)).read_bytes()


def test_crude_labels_are_wrong_in_the_stated_band(listed_root: Path) -> None:
    rates = label_error_rate(_all(listed_root, miner="crude"))
    assert 0.35 <= rates.pop("all") <= 0.45
    assert all(0.25 <= rate <= 0.6 for rate in rates.values())


def test_better_miners_are_less_wrong(listed_root: Path) -> None:
    rates = [label_error_rate(_all(listed_root, miner=miner))["all"] for miner in ("crude", 0.5, "fair", "exact", 0.0)]
    assert rates[0] > rates[1] > rates[2] > rates[3] == rates[4] == 0
    assert rates[2] < 0.1


def test_crude_labels_are_biased_but_not_constant(listed_root: Path) -> None:
    right: dict[tuple[str, str], list[bool]] = {}
    for sample in _all(listed_root, kinds=("closed", "open")):
        right.setdefault((sample.categories["template"], sample.answer), []).append(sample.weak_answer == sample.answer)
    assert all(0.2 < sum(marks) / len(marks) < 0.95 for marks in right.values())


def test_boxes_are_within_the_image_and_match_the_manifest(phantom_root: Path) -> None:
    records = {(record["patient"], record["study"]): record for record in read_manifest(phantom_root)}
    boxes = [sample for sample in _all(phantom_root) if sample.kind == "box"]
    assert boxes
    for sample in boxes:
        patient, study, _ = sample.id.split("/")
        edges = [float(edge) for edge in sample.answer.split()]
        assert edges == pytest.approx(records[patient, study]["boxes"][sample.extra["finding"]], abs=0.006)
        assert 0 <= edges[0] < edges[2] <= 1
        assert 0 <= edges[1] < edges[3] <= 1


def test_exact_miner_repeats_the_truth_for_every_kind(phantom_root: Path) -> None:
    for sample in _all(phantom_root, miner="exact"):
        assert sample.weak_answer == sample.answer
        assert sample.extra["weak_rationale"] == sample.rationale


def test_comparisons_show_the_prior_first(listed_root: Path) -> None:
    asked = [one for one in load_thorax(listed_root, "train", compare=True) if one.categories["task"] == "comparison"]
    assert {sample.answer for sample in asked} == {"new", "increased", "decreased", "unchanged", "resolved"}
    for sample in asked:
        prior, now = sample.images
        assert (prior.path.parent.name, now.path.parent.name) == ("s0", "s1")
        assert prior.path.parent.parent == now.path.parent.parent
        assert sample.options.count(sample.answer) == sample.options.count(str(sample.weak_answer)) == 1
        assert len(set(sample.options)) == 4


def test_a_bare_report_is_mined_as_unchanged() -> None:
    assert mine_change("FINDINGS: Small left pleural effusion. IMPRESSION: Effusion.", "effusion") == "unchanged"
    assert mine_change("FINDINGS: Large enlarged heart, increased from prior.", "cardiomegaly") == "increased"


def test_report_samples_hold_both_texts(phantom_root: Path) -> None:
    reports = _all(phantom_root, kinds=("report",))
    assert reports
    assert all(sample.answer.startswith("FINDINGS: ") and sample.weak_answer for sample in reports)


def test_a_root_is_reused_and_never_overwritten(phantom_root: Path) -> None:
    before = (phantom_root / "manifest.jsonl").stat().st_mtime_ns
    make_thorax(phantom_root, patients=40, seed=3, size=64, modality="both", shape=(12, 24, 24))
    assert (phantom_root / "manifest.jsonl").stat().st_mtime_ns == before
    with pytest.raises(FileExistsError, match="patients=40, wanted 41"):
        make_thorax(phantom_root, patients=41, seed=3, size=64, modality="both", shape=(12, 24, 24))


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(FileExistsError, match="no phantom root"):
        make_thorax(tmp_path, patients=1)
    assert (tmp_path / "thesis.txt").read_text() == "precious"


def test_an_interrupted_run_leaves_nothing(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_thorax(tmp_path / "root", patients=3, size=32, progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_progress_counts_patients(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    make_thorax(tmp_path / "root", patients=3, size=32, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"split": "dev"}, "train, validate or test"),
        ({"modality": "mr"}, "cr, ct, nifti or slice"),
        ({"miner": "perfect"}, "crude, fair, exact or a share"),
        ({"miner": 1.5}, "crude, fair, exact or a share"),
        ({"kinds": ("number",)}, "choice, closed, open, box, report"),
        ({"kinds": ()}, "choice, closed, open, box, report"),
        ({"pool": "dpo"}, "sft, rl or None"),
        ({"per_image": 0}, "more than 0"),
    ],
)
def test_bad_arguments_name_what_is_expected(phantom_root: Path, options: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        list(load_thorax(phantom_root, **({"split": "train"} | options)))  # type: ignore[arg-type]


def test_a_missing_root_names_the_call_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(SampleError, match="make_thorax"):
        list(load_thorax(tmp_path / "none", "train"))


def test_a_missing_modality_is_named(listed_root: Path) -> None:
    with pytest.raises(SampleError, match="modality='both'"):
        list(load_thorax(listed_root, "train", modality="ct"))


def test_a_broken_manifest_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "manifest.jsonl").write_text(json.dumps({"pool": "test"}) + '\n{"pool": ')
    with pytest.raises(SampleError, match="line 2"):
        list(read_manifest(tmp_path))


@pytest.mark.parametrize(
    "options", [{"patients": 0}, {"modality": "mr"}, {"size": 8}, {"shape": (4, 4, 4), "modality": "ct"}]
)
def test_bad_recipes_leave_no_root(tmp_path: Path, options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="or more"):
        make_thorax(tmp_path / "root", **({"patients": 2} | options))  # type: ignore[arg-type]
    assert not (tmp_path / "root").exists()


def test_error_rates_need_mined_answers() -> None:
    with pytest.raises(SampleError, match="mined answer"):
        label_error_rate([])
