"""Errors that nobody took, said without their message, which may quote a header: their class and where they arose."""

from __future__ import annotations

import logging
import os
import sys
import threading
import warnings
from types import TracebackType
from typing import Self

from medvlm.study import MedvlmError

DEBUG = "MEDVLM_DEBUG"
"""Environment variable: set, errors are shown whole."""


def brief(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> str:
    """An error in one line that names no patient.

    Args:
        kind: Its class.
        error: Not looked at: its message may hold a name, a path or a text.
        trace: Where it was raised.

    Examples:
        >>> brief(ValueError, ValueError("Doe^Jane"), None)
        'ValueError'
    """
    places = []
    while trace is not None:
        places.append(f"{os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}")
        trace = trace.tb_next
    return " ".join([kind.__name__, *(["at", " > ".join(places[-4:])] if places else [])])


def said(error: Exception) -> str:
    """What may be said of an error: all of it if we wrote its message, else its class, place and the system's reason.

    Args:
        error: As it was raised.
    """
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    ours = trace is not None and str(trace.tb_frame.f_globals.get("__name__", "")).startswith("medvlm")
    if ours or isinstance(error, MedvlmError) or os.environ.get(DEBUG):
        return " ".join(str(error).split())
    reason = f": {error.strerror}" if isinstance(error, OSError) and error.strerror else ""
    return f"{brief(type(error), None, error.__traceback__)}{reason} ({DEBUG}=1 shows all of it)"


def be_discreet() -> None:
    """Let this process say nothing that a header holds, unless ``MEDVLM_DEBUG`` is set.

    Errors that nobody takes are said in brief, in every thread; what packages warn of and log is left out.
    """
    quiet()
    if os.environ.get(DEBUG):
        return
    sys.excepthook = _say
    threading.excepthook = lambda given: _say(given.exc_type, given.exc_value, given.exc_traceback)


def quiet() -> None:
    """Keep what packages say of headers off the terminal: it may quote a patient's."""
    warnings.filterwarnings("ignore", module=r"(pydicom|highdicom)(\.|$)")
    for name in ("pydicom", "highdicom", "nibabel.global", "PIL"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _say(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    print(f"medvlm: a fault of the program: {brief(kind, error, trace)} ({DEBUG}=1 shows all of it)", file=sys.stderr)


class Discreet:
    """Ends the process where something is raised inside that nobody takes, and says it in brief.

    For processes of ``multiprocessing``, which print a whole traceback without asking the hook of the interpreter.
    """

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None or issubclass(kind, SystemExit | KeyboardInterrupt) or os.environ.get(DEBUG):
            return
        _say(kind, error, trace)
        sys.stderr.flush()
        os._exit(1)
