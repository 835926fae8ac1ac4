"""The options of ``medvlm evaluate`` that say how questions are answered."""

from __future__ import annotations

import argparse

from medvlm.evaluation.answering.settings import FORMS, TEMPERATURE, Answering, parse_answering


def add_answering(parser: argparse.ArgumentParser) -> None:
    """Add the options to a parser.

    Args:
        parser: That of the command.
    """
    group = parser.add_argument_group("how questions are answered (by a model)")
    group.add_argument("--answering", default="greedy", metavar="HOW", help=FORMS)
    group.add_argument("--temperature", type=float, help=f"of the draws; {TEMPERATURE} if not given")
    group.add_argument("--shots", type=int, default=0, metavar="K", help="training examples before each question")
    group.add_argument("--orders", type=int, default=1, metavar="K", help="orders of the options of each choice")
    group.add_argument(
        "--probabilities",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="whether greedy answers carry the probabilities of letters, or of yes and no (for calibration)",
    )


def read_answering(options: argparse.Namespace) -> Answering:
    """How questions are answered.

    Args:
        options: What was given.

    Raises:
        ValueError: If something cannot be read, does not go together, or goes with a file of predictions.
    """
    answering = parse_answering(
        options.answering,
        temperature=options.temperature,
        shots=options.shots,
        orders=options.orders,
        probabilities=options.probabilities,
    )
    if options.predictions is not None and answering != Answering(probabilities=answering.probabilities):
        raise ValueError("--answering, --shots and --orders need a model; a file of predictions is scored as it is")
    return answering
