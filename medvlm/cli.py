"""``medvlm VERB ...``: the same doors as ``tools/VERB.py``, and one way to say what went wrong."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

from medvlm.discreet import be_discreet, quiet, said
from medvlm.study import MedvlmError

VERBS = {
    "train": ("medvlm.training.command", "train a recipe: its stages, scores and page"),
    "evaluate": ("medvlm.evaluation.command", "score a model on a set, by its protocol"),
    "report": ("medvlm.reporting.command", "write reports for a folder of studies"),
    "watch": ("medvlm.archive.watch_command", "report studies as they come to an archive, and send reports back"),
    "probe": ("medvlm.probe_command", "measure how often a model answers each question right"),
    "distil": ("medvlm.distil_command", "collect verified reasoning of a stronger model, to train on"),
    "rollouts": ("medvlm.rollouts_command", "look at what a GRPO stage sampled"),
    "predict": ("medvlm.predict_command", "ask a model about an image"),
    "zeroshot": ("medvlm.zeroshot_command", "compare images with findings, labels or texts"),
    "pairs": ("medvlm.pairs_command", "make preference pairs of a set"),
    "convert": ("medvlm.convert_command", "check, show, de-identify and audit data"),
}

DISCREET = ("report", "watch")
"""Verbs that read patients' studies unattended: what goes to a log must name none."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a verb.

    Args:
        argv: The verb and its arguments; those of the process without it.

    Returns:
        The exit code: 0, 1 if something could not be done, 2 for a wrong command line, 130 if interrupted.
    """
    verb, *rest = list(sys.argv[1:] if argv is None else argv) or ["--help"]
    if verb in ("-h", "--help"):
        print(_usage())
        return 0
    if verb == "--version":
        from importlib.metadata import version

        print(f"medvlm {version('medvlm')}")
        return 0
    if verb not in VERBS:
        print(f"medvlm: there is no verb {verb!r}\n{_usage()}", file=sys.stderr)
        return 2
    _quiet()
    if verb in DISCREET:
        be_discreet()
    try:
        command = importlib.import_module(VERBS[verb][0])
        code: int = command.main(rest)
    except (MedvlmError, OSError, ValueError, ImportError) as error:
        if os.environ.get("MEDVLM_DEBUG"):
            raise
        text = said(error) if verb in DISCREET else " ".join(str(error).split())
        print(f"medvlm {verb}: {text}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"medvlm {verb}: interrupted; the same command goes on where it stopped", file=sys.stderr)
        return 130
    return code


def _usage() -> str:
    lines = [f"  {verb:<10}{purpose}" for verb, (_, purpose) in VERBS.items()]
    return "\n".join(
        ["usage: medvlm VERB ...   (medvlm VERB --help says more)", "", *lines, "", "Not for clinical use."]
    )


def _quiet() -> None:
    """Keep what libraries print about headers off the terminal: it may quote a patient's."""
    quiet()
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")


if __name__ == "__main__":
    sys.exit(main())
