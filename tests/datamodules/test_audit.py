"""The audit: the known leaks of real sets, each kind of leak on its own, and nothing where there is nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from medvlm.datamodules.audit import Source, audit, same_words
from medvlm.datamodules.audit_report import Audit
from medvlm.datamodules.sets import load_set
from medvlm.study import ImageRef, Sample


def picture(path: Path, seed: int, quality: int = 95) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    grid = np.random.default_rng(seed).normal(size=(96, 80)).cumsum(0).cumsum(1)
    array = (255 * (grid - grid.min()) / np.ptp(grid)).astype(np.uint8)
    PIL.Image.fromarray(array).save(path, quality=quality)
    return path


def sample(name: str, *paths: Path, question: str = "what?", group: str = "") -> Sample:
    return Sample(name, tuple(ImageRef(path) for path in paths), question, "a", "open", group=group)


def found(
    train: list[Sample], test: list[Sample], *, sets: tuple[str, str] = ("x", "x"), shared: bool = False
) -> Audit:
    return audit([Source("train", sets[0], train)], [Source("test", sets[1], test)], shared_names=shared)


def counts(result: Audit) -> dict[str, int]:
    return {row.kind: row.found for row in result.rows if row.found}


def test_vqa_rad_shares_202_of_203_test_images(shared_data: Path) -> None:
    root = shared_data / "vqa_rad"
    sources = [Source(split, "vqa_rad", list(load_set("vqa_rad", root, split))) for split in ("train", "test")]
    result = audit(sources[:1], sources[1:], pixels=False)
    assert [(row.found, row.of) for row in result.rows if row.kind == "reference"] == [(202, 203)]
    assert result.leaks


def test_slake_shares_142_images_over_both_languages_and_none_in_one(shared_data: Path) -> None:
    for languages, expected in ((("en", "zh"), 142), (("en",), 0)):
        train, test = (
            Source(split, "slake", list(load_set("slake", shared_data / "slake", split, languages=languages)))
            for split in ("train", "test")
        )
        result = audit([train], [test])
        assert next(row.found for row in result.rows if row.kind == "reference") == expected
        assert result.leaks == bool(expected)
        assert set(result.absent) == {"train", "test"}


def test_a_collection_of_radiographs_holds_some_twice_under_other_names(shared_data: Path) -> None:
    folder = shared_data / "cxr_covid"
    paths = [path for path in sorted(folder.rglob("*")) if path.name.startswith(("16660_", "covid-19-rapidly"))]
    train = [sample(path.name, path) for path in paths if path.name.startswith("16660_")]
    test = [sample(path.name, path) for path in paths if path.name.startswith("covid-19-rapidly")]
    assert test
    assert counts(found(train, test))["looks"] == len(test)


def test_a_copy_is_found_by_its_bytes_and_a_new_encoding_by_its_looks(tmp_path: Path) -> None:
    train = [sample("1", picture(tmp_path / "a.png", 0))]
    (tmp_path / "copy.png").write_bytes((tmp_path / "a.png").read_bytes())
    assert counts(found(train, [sample("2", tmp_path / "copy.png", question="else?")])) == {"bytes": 1, "looks": 1}
    again = sample("2", picture(tmp_path / "a.jpg", 0, quality=40), question="else?")
    assert counts(found(train, [again])) == {"looks": 1}


def test_a_folder_of_slices_is_found_under_other_names(tmp_path: Path) -> None:
    for folder, names in (("a", "12"), ("b", "34")):
        for seed, name in enumerate(names):
            picture(tmp_path / folder / f"{name}.png", seed)
    result = found([sample("1", tmp_path / "a")], [sample("2", tmp_path / "b", question="else?")])
    assert counts(result)["bytes"] == 1


def test_different_images_are_clean(tmp_path: Path) -> None:
    train, test = (sample(f"{n}", picture(tmp_path / f"{n}.png", n), group=f"{n}") for n in (1, 2))
    result = found([train], [test])
    assert counts(result) == {"words": 1}
    assert not result.leaks


def test_patients_count_between_sets_of_one_kind(tmp_path: Path) -> None:
    train, test = (sample(f"{n}", picture(tmp_path / f"{n}.png", n), group="p1") for n in (1, 2))
    assert found([train], [test]).leaks
    assert not found([train], [test], sets=("x", "y")).leaks
    assert found([train], [test], sets=("x", "y"), shared=True).leaks


def test_the_same_question_is_a_leak_about_a_shared_image_or_about_none(tmp_path: Path) -> None:
    one, two = picture(tmp_path / "1.png", 1), picture(tmp_path / "2.png", 2)
    train = [sample("1", one, question="Is there  an effusion?"), sample("2", question="Which drug?")]
    test = [
        sample("a", one, question="is there an effusion"),
        sample("b", two, question="is there an effusion"),
        sample("c", question="Which drug"),
    ]
    assert counts(found(train, test)) == {"reference": 1, "bytes": 1, "looks": 1, "question": 2, "words": 3}


def test_flat_unreadable_and_absent_images_are_counted_and_no_match(tmp_path: Path) -> None:
    PIL.Image.new("L", (50, 50), 7).save(tmp_path / "flat.png")
    PIL.Image.new("L", (60, 60), 9).save(tmp_path / "flat2.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG no")
    train = [sample("1", tmp_path / "flat.png"), sample("2", tmp_path / "broken.png"), sample("3", tmp_path / "no.png")]
    result = found(train, [sample("4", tmp_path / "flat2.png", question="else?")])
    assert counts(result) == {}
    assert (len(result.flat), len(result.unread), result.absent) == (2, 1, {"train": 1})
    assert any("1 images are not there" in line for line in result.lines())


def test_words_are_compared_without_case_width_and_punctuation() -> None:
    assert same_words("\uff23\uff34: chest?") == same_words("ct chest")
    assert same_words("肺部 有病变吗\uff1f") == same_words("肺部 有病变吗")
    assert same_words("left") != same_words("right")


def test_two_sets_with_one_title_are_refused() -> None:
    with pytest.raises(ValueError, match="one title"):
        audit([Source("a", "x", [])], [Source("a", "x", [])])
