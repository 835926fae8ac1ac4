"""Options that several commands take."""

from __future__ import annotations

import argparse


def add_repair(parser: argparse.ArgumentParser) -> None:
    """Add ``--repair`` and ``--dcm2niix``, which set ``repair`` as `medvlm.study.Repair` says.

    Args:
        parser: Of a command that reads series.

    Examples:
        >>> parser = argparse.ArgumentParser()
        >>> add_repair(parser)
        >>> [parser.parse_args(words).repair for words in ([], ["--repair"], ["--dcm2niix"])]
        [False, True, 'dcm2niix']
    """
    parser.add_argument(
        "--repair", action="store_true", help="resample series with gaps, tilt or uneven spacing instead of refusing"
    )
    parser.add_argument(
        "--dcm2niix",
        dest="repair",
        action="store_const",
        const="dcm2niix",
        help="the same by the corrected file of dcm2niix (extra dcm2niix)",
    )
