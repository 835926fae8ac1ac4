"""Packages that some writers need: loaded when they write, and checked before any study is read."""

from __future__ import annotations

from types import ModuleType

from medvlm.study import need


def highdicom() -> ModuleType:
    """The package that builds DICOM objects (MIT).

    Raises:
        ImportError: If it is not installed; the message is the command to run.
    """
    return need("highdicom", "pacs")


def weasyprint() -> ModuleType:
    """The package that prints pages (BSD).

    Raises:
        ImportError: If it, or the library Pango that it draws words with, is not installed.
    """
    try:
        return need("weasyprint", "report")
    except OSError as error:  # it is there and cannot load a library of the system
        raise ImportError(
            f"weasyprint cannot load Pango ({error}): apt-get install libpango-1.0-0 libpangoft2-1.0-0"
        ) from None
