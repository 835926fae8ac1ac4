"""Protocol files: what one may say, what is refused, and that the shipped ones are locked."""

from __future__ import annotations

from pathlib import Path

import pytest

from medvlm.config import load_config
from medvlm.datamodules.sets import SETS
from medvlm.evaluation.command import main
from medvlm.evaluation.protocols import PROTOCOLS, get_protocol, read_protocol
from medvlm.evaluation.protocols.reading import LARGEST
from medvlm.generation.prompts import user_text
from medvlm.study import Sample
from medvlm.training.checks import check_protocols

LOCK = Path(__file__).with_name("protocols.lock")
OWN = """\
name: own
version: 3
about: Ours
task: vqa
images: {form: [picture], show: 1}
prompts:
  de: {choice: Antworte mit dem Buchstaben.}
  en: {choice: Letter only.}
parser: 2
scoring: {choice: letter}
macro: [organ]
splits:
  - {split: test, what: ward, count: 2}
"""


def write(folder: Path, text: str) -> str:
    path = folder / "my.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def locked() -> dict[tuple[str, int], str]:
    """Fingerprint of each version of each protocol that was ever committed."""
    lines = [line.split() for line in LOCK.read_text().splitlines() if line and not line.startswith("#")]
    return {(name, int(version)): fingerprint for name, version, fingerprint in lines}


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_protocol_that_changes_has_another_version(name: str) -> None:
    protocol, known = PROTOCOLS[name], locked()
    line = f"{name} {protocol.version} {protocol.fingerprint}"
    assert (name, protocol.version) in known, f"a new version: add the line {line!r} to {LOCK.name}, keep the others"
    assert known[name, protocol.version] == protocol.fingerprint, f"raise the version in {name}.yaml: scores can differ"
    assert protocol.version == max(version for other, version in known if other == name)


def test_the_lock_names_no_other_protocol_and_no_version_is_0() -> None:
    assert {name for name, _ in locked()} == set(PROTOCOLS)
    assert min(version for _, version in locked()) >= 1


def test_a_shipped_protocol_is_asked_on_a_set_that_there_is() -> None:
    assert {protocol.set for protocol in PROTOCOLS.values()} == {*SETS, ""}
    assert all(protocol.name == name for name, protocol in PROTOCOLS.items())


def test_a_users_own_file_is_a_protocol_and_says_so(tmp_path: Path) -> None:
    own = get_protocol(write(tmp_path, OWN))
    sample = Sample("1", (), "Which?", "left", "choice", options=("left", "right"), split="test")
    assert own.header([sample]).startswith("own v3 (own file my.yaml) | prompt ")
    assert "none that is published: 2 (ward)" in own.header([sample])
    assert (own.own, own.shown, own.macro) == ("my.yaml", 1, ("organ",))
    assert own.ask(sample).instruction == "Antworte mit dem Buchstaben."
    assert "beside it the mean over organ" in own.aggregation
    assert not any(protocol.own for protocol in PROTOCOLS.values())


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("version: 3", "version: 3\nversoin: 4", "has 1 mistake.*  versoin: unknown key, did you mean 'version'"),
        ("show: 1", "shown: 1", "images.shown: unknown key, did you mean 'show'"),
        ("count: 2", "cuont: 2, count: 1", "splits.0.cuont: unknown key, did you mean 'count'"),
        ("version: 3", "version: '3'", "version='3': Input should be a valid integer"),
        ("version: 3", "version: 0", "version=0: Input should be greater than 0"),
        ("  de:", "  no:", "Input should be a valid string; YAML reads no and yes as false and true"),
        ("scoring: {choice: letter}", "scoring: {choice: first}", "scoring of choice is 'first', expected letter"),
        ("scoring: {choice: letter}", "scoring: {chioce: letter}", "scoring.chioce"),
        ("en: {choice: Letter only.}", "en: {closed: Yes.}", "prompts in en are for closed, scoring is for choice"),
        ("parser: 2", "parser: 1", "parser is 1, this medvlm reads answers by parser 2"),
        ("{choice: letter}", "{choice: letter}\nname: twice", ":11: 'name' stands twice"),
        ("version: 3", "version: !!python/object/apply:os.system ['true']", "tag .*os.system.* is not taken"),
        ("version: 3", "version: !!int 3", ":2: the tag .* is not taken"),
        ("version: 3", "version: &a 3", "anchors and aliases are not taken"),
        ("version: 3", "version: " + "[" * 40 + "]" * 40, "more than 8 levels"),
        ("version: 3", "version: {", "is no YAML in UTF-8"),
        ("what: ward", "what: 'ward | n=9'", "splits.0.what=.*: String should match"),
        ("task: vqa", "task: vpa", "task='vpa': Input should be 'vqa'"),
        ("count: 2", "count: 2, hash: 12ab", "splits.0.hash='12ab': String should match"),
    ],
)
def test_a_mistake_is_named_with_its_file(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(ValueError, match=f"(?s)my.yaml.*{said}"):
        read_protocol(Path(write(tmp_path, OWN.replace(old, new, 1))))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "holds a NoneType"),
        (b"- a", "holds a list"),
        (b"\xff\xfe", "is no YAML in UTF-8"),
        (b"a: b\x00", "is no YAML in UTF-8"),
        (b"a" * (LARGEST + 1), "65,537 bytes"),
        (b"a: &a [x]\nb: *a\n", "anchors and aliases"),
        (b"---\na: 1\n---\na: 2\n", "is no YAML in UTF-8: expected a single document"),
    ],
)
def test_what_is_no_protocol_is_refused(tmp_path: Path, data: bytes, said: str) -> None:
    (tmp_path / "my.yaml").write_bytes(data)
    with pytest.raises(ValueError, match=f"my.yaml.*{said}"):
        get_protocol(str(tmp_path / "my.yaml"))


def test_every_mistake_is_named_at_once(tmp_path: Path) -> None:
    text = OWN.replace("about: Ours\n", "").replace("task: vqa", "task: x").replace("parser", "parsre")
    with pytest.raises(ValueError, match=r"has 4 mistake.*\n  about: .*\n  task=.*\n  parser: .*\n  parsre: unknown"):
        read_protocol(Path(write(tmp_path, text)))


def test_findings_are_read_in_reports_of_the_chest_alone(tmp_path: Path) -> None:
    text = OWN.replace("choice: letter", "report: findings").replace("choice:", "report:")
    with pytest.raises(ValueError, match="chest is False: findings are read in reports of the chest"):
        read_protocol(Path(write(tmp_path, text)))
    assert read_protocol(Path(write(tmp_path, text + "chest: true\n"))).chest


def test_a_file_that_is_not_there_or_not_readable_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="none"):
        get_protocol(str(tmp_path / "none.yaml"))
    (tmp_path / "folder.yaml").mkdir()
    with pytest.raises(OSError, match="folder"):
        get_protocol(str(tmp_path / "folder.yaml"))


def test_a_recipe_may_name_a_file_too(tmp_path: Path) -> None:
    recipe = load_config("cxr_r1.yaml", [f"evaluate.protocol={write(tmp_path, OWN)}"])
    check_protocols(recipe)
    write(tmp_path, OWN.replace("vqa", "vpa"))
    with pytest.raises(ValueError, match="task='vpa'"):
        check_protocols(recipe)


def test_an_empty_instruction_adds_no_line(tmp_path: Path) -> None:
    sample = Sample("1", (), "Which?", "a", "choice", options=("a", "b"))
    own = get_protocol(write(tmp_path, OWN.replace("Antworte mit dem Buchstaben.", '""')))
    assert user_text(own.ask(sample)) == "Which?\nA) a\nB) b"


def test_crlf_and_a_byte_order_mark_are_no_matter(tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_bytes(b"\xef\xbb\xbf" + OWN.replace("\n", "\r\n").encode())
    assert get_protocol(str(tmp_path / "my.yaml")).fingerprint == get_protocol(write(tmp_path, OWN)).fingerprint


def test_the_command_lists_all_protocols_or_says_one_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["protocols"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(PROTOCOLS)
    assert all(protocol.fingerprint in line for protocol, line in zip(PROTOCOLS.values(), lines[1:], strict=True))
    assert main(["protocols", "slake"]) == 0
    assert "1,061 (test, English), hash c4525d997cb7" in capsys.readouterr().out
    assert main(["protocols", write(tmp_path, OWN)]) == 0
    assert "own v3, fingerprint" in capsys.readouterr().out
    assert main(["protocols", "slaek"]) == 1
    assert "did you mean 'slake'" in capsys.readouterr().err
