"""``medvlm evaluate --probes``: which further questions a model is asked; alone it lists them."""

from __future__ import annotations

import argparse
import textwrap


def add_probes(parser: argparse.ArgumentParser) -> None:
    """Add the option.

    Args:
        parser: That of ``medvlm evaluate``.
    """
    parser.add_argument(
        "--probes", nargs="*", metavar="PROBE", help="further questions of a model (negation, ...); alone: the list"
    )


def check_chosen(options: argparse.Namespace) -> None:
    """Refuse probes that are unknown, none, or of a file of predictions; no option is no probe.

    Args:
        options: As parsed; ``probes`` is a list afterwards.

    Raises:
        ValueError: If they cannot be asked.
    """
    if options.probes is None:
        options.probes = []
        return
    from medvlm.evaluation.probes import PROBES, check_probes

    if not options.probes:
        raise ValueError(
            f"--probes names none; expected some of {', '.join(PROBES)} (--probes alone says what they are)"
        )
    check_probes(options.probes)
    if options.predictions is not None:
        raise ValueError("probes ask further questions, which a file of predictions cannot answer; name a model")


def list_probes() -> str:
    """The probes and what each asks, to print."""
    from medvlm.evaluation.probes import PROBES

    lines = (
        textwrap.fill(f"{name:<10} {probe.about}", 110, subsequent_indent=" " * 11) for name, probe in PROBES.items()
    )
    return "\n".join(lines)
