"""A package that is absent, or cannot load its library, is named with what to install."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from medvlm.reporting.writers import check_forms, packages


@pytest.mark.parametrize(("package", "form", "extra"), [("highdicom", "sr", "pacs"), ("weasyprint", "pdf", "report")])
def test_an_absent_package_is_named_with_its_extra(
    package: str, form: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=rf"pip install 'medvlm\[{extra}\]'"):
        check_forms(["html", form])


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(module: str, extra: str) -> Any:
        raise OSError("cannot load library 'libgobject-2.0-0'")

    monkeypatch.setattr(packages, "need", broken)
    with pytest.raises(ImportError, match="apt-get install libpango"):
        check_forms(["pdf"])
