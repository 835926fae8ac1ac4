"""``medvlm predict STUDY QUESTION...``: answers on the terminal, from one read of the image."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, get_args

from medvlm.options import add_repair
from medvlm.study import AnswerKind

if TYPE_CHECKING:
    from medvlm.answer import Answer


def main(argv: Sequence[str] | None = None) -> int:
    """Print answers on standard output; what every reader must know goes to standard error.

    Args:
        argv: Arguments; those of the process without it.
    """
    arguments = _parser().parse_args(argv)
    from medvlm.predictor import load

    answers = load(arguments.model).predict(
        [arguments.first, *arguments.more],
        arguments.questions,
        options=arguments.option or None,
        kind=arguments.kind,
        prior=arguments.prior or None,
        modality=arguments.modality,
        repair=arguments.repair,
        max_new_tokens=arguments.max_new_tokens,
    )
    if arguments.json:
        print(json.dumps([answer.to_dict() for answer in answers], ensure_ascii=False, indent=1))
    else:
        print("\n".join(_lines(answers)))
        print("\n".join(_notes(answers[0])), file=sys.stderr)
    return 0


def _lines(answers: Sequence[Answer]) -> list[str]:
    if len(answers) == 1:
        return [str(answers[0])]
    return [f"{answer.question} {answer} ({answer.confidence:.2f})" for answer in answers]


def _notes(answer: Answer) -> list[str]:
    origin = answer.provenance
    recipes = ", ".join(image["recipe"] for image in origin.images)
    return [f"[model {origin.model} {origin.weights}, intensities {recipes}]", *origin.notes, *origin.warnings]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="medvlm predict",
        description="Ask a model about a study: a DICOM, NIfTI, PNG or JPEG file, or a folder, of which the image is "
        "shown that would be reported. It is read once for all questions. Not for clinical use.",
    )
    parser.add_argument("first", metavar="STUDY", help="file or folder")
    parser.add_argument("questions", metavar="QUESTION", nargs="+", help="for example 'Is there a pleural effusion?'")
    parser.add_argument("--and", dest="more", metavar="IMAGE", action="append", default=[], help="shown with the first")
    parser.add_argument(
        "--prior", metavar="STUDY", action="append", default=[], help="an earlier study, shown before it; oldest first"
    )
    parser.add_argument("--model", help="folder or Hub name; else $MEDVLM_MODEL, else the newest under checkpoints/")
    parser.add_argument("--option", action="append", default=[], help="one option to choose from; repeat it")
    parser.add_argument("--kind", choices=get_args(AnswerKind), help="form of the answer, where the words do not tell")
    parser.add_argument("--modality", help="DICOM modality, for files that do not say (CT)")
    add_repair(parser)
    parser.add_argument("--max-new-tokens", type=int, help="where an answer is cut")
    parser.add_argument("--json", action="store_true", help="everything, as JSON")
    return parser
