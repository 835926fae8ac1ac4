"""What is listed is what is there, and what is built is what is installed."""

from __future__ import annotations

import configparser
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = {"medvlm": "medvlm", "models": "medvlm.models", "datamodules": "medvlm.datamodules"}
LINKS = ("models", "datamodules", "configs")
PROTOCOLS = "medvlm/evaluation/protocols"
# an import from the wheel alone; heavy packages come from this environment
CHECK = """
import importlib.resources, sys
import medvlm
from medvlm.config import list_recipes
from medvlm.evaluation.protocols import PROTOCOLS
from medvlm.models import build_vlm
from medvlm.datamodules.sets import SETS
from medvlm.training.rewards import find_reward
files = importlib.resources.files
assert medvlm.__file__.startswith(sys.argv[1]), medvlm.__file__
assert sys.modules["medvlm.models"].__file__.startswith(sys.argv[1])
assert files("medvlm").joinpath("py.typed").is_file()
assert "slake" in PROTOCOLS and PROTOCOLS["slake"].version
print(*list_recipes())
"""


def packages() -> set[str]:
    """Every package of the source tree, under the name by which it is imported."""
    found = {"medvlm.configs"}
    for folder, name in FOLDERS.items():
        for init in (ROOT / folder).rglob("__init__.py"):
            found.add(".".join((name, *init.parent.relative_to(ROOT / folder).parts)))
    return found


def recipes() -> list[str]:
    return sorted(path.name for path in (ROOT / "configs").glob("*.yaml"))


def test_setup_cfg_lists_every_package() -> None:
    cfg = configparser.ConfigParser()
    cfg.read(ROOT / "setup.cfg")
    assert set(cfg["options"]["packages"].split()) == packages()


def test_every_folder_of_modules_is_a_package() -> None:
    for folder in FOLDERS:
        for module in (ROOT / folder).rglob("*.py"):
            assert (module.parent / "__init__.py").is_file(), module


@pytest.mark.parametrize("name", LINKS)
def test_links_are_relative_and_lead_there(name: str) -> None:
    link = ROOT / "medvlm" / name
    assert link.is_symlink()
    assert link.readlink() == Path("..") / name
    assert link.resolve() == ROOT / name


def test_links_are_committed_as_links() -> None:
    listed = subprocess.run(["git", "ls-files", "-s", "medvlm"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("no git checkout")
    links = {line.split("\t")[1] for line in listed.stdout.splitlines() if line.startswith("120000")}
    assert links == {f"medvlm/{name}" for name in LINKS}


def test_the_top_level_is_the_agreed_list() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("no git checkout")
    found = {line.partition("/")[0] for line in listed.stdout.splitlines() if not line.startswith(".")}
    agreed = {"medvlm", "models", "datamodules", "configs", "tools", "tests", "checkpoints"}
    assert found <= agreed | {"pyproject.toml", "setup.cfg", "README.md", "LICENSE", "Makefile"}


def build(folder: Path) -> dict[str, Path]:
    """The wheel (built from the sdist) and the sdist of this tree, from a copy of what git has."""
    source = folder / "source"
    source.mkdir()
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if files.returncode:
        pytest.skip("no git checkout")
    for name in filter(None, files.stdout.split("\0")):
        if (ROOT / name).is_symlink() or (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            copy(ROOT / name, source / name)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder / "dist"), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    (wheel,), (sdist,) = (folder / "dist").glob("*.whl"), (folder / "dist").glob("*.tar.gz")
    return {"wheel": wheel, "sdist": sdist}


def copy(source: Path, target: Path) -> None:
    if source.is_symlink():
        target.symlink_to(source.readlink())
    else:
        target.write_bytes(source.read_bytes())


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    pytest.importorskip("build", reason="build is a test dependency: medvlm[dev]")
    return build(tmp_path_factory.mktemp("build"))


@pytest.mark.slow
def test_the_wheel_holds_every_module_and_recipe_once(built: dict[str, Path]) -> None:
    names = zipfile.ZipFile(built["wheel"]).namelist()
    assert len(names) == len(set(names))
    for package in packages():
        assert f"{package.replace('.', '/')}/__init__.py" in names
    protocols = [f"medvlm/evaluation/protocols/{path.name}" for path in (ROOT / PROTOCOLS).glob("*.yaml")]
    assert {name for name in names if name.endswith(".yaml")} == {f"medvlm/configs/{r}" for r in recipes()}.union(
        protocols
    )
    assert "medvlm/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)


@pytest.mark.slow
def test_the_wheel_puts_nothing_beside_medvlm(built: dict[str, Path]) -> None:
    tops = {name.partition("/")[0] for name in zipfile.ZipFile(built["wheel"]).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"medvlm"}


@pytest.mark.slow
def test_the_sdist_holds_the_real_folders(built: dict[str, Path]) -> None:
    with tarfile.open(built["sdist"]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "setup.cfg", "models/__init__.py", "datamodules/__init__.py", "LICENSE"} <= names
    assert {f"configs/{recipe}" for recipe in recipes()} <= names
    assert {f"{PROTOCOLS}/{path.name}" for path in (ROOT / PROTOCOLS).glob("*.yaml")} <= names


@pytest.mark.slow
def test_the_installed_wheel_imports_from_an_empty_folder(built: dict[str, Path], tmp_path: Path) -> None:
    target, empty = tmp_path / "site", tmp_path / "empty"
    empty.mkdir()
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(target)]
    subprocess.run([*install, str(built["wheel"])], check=True, capture_output=True)
    environment = os.environ | {"PYTHONPATH": str(target), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", CHECK, str(target)]
    done = subprocess.run(command, cwd=empty, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split() == recipes()
    assert not list(empty.iterdir())
