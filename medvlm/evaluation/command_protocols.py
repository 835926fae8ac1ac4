"""``medvlm evaluate protocols``: every protocol in a table, or one whole."""

from __future__ import annotations

import argparse


def build_protocols_parser() -> argparse.ArgumentParser:
    """The options of the command."""
    about = "Every protocol that ships with medvlm in a table, or one whole."
    parser = argparse.ArgumentParser(prog="medvlm evaluate protocols", description=about)
    parser.add_argument("name", nargs="?", help="of a protocol, or your own .yaml file; the table if not given")
    return parser


def run_protocols(options: argparse.Namespace) -> str:
    """The table, or the protocol, as text.

    Raises:
        ValueError: If the protocol is unknown, or its file is wrong.
    """
    from medvlm.evaluation.protocols import PROTOCOLS, get_protocol
    from medvlm.evaluation.protocols.listing import describe_protocol, list_protocols

    return describe_protocol(get_protocol(options.name)) if options.name else list_protocols(PROTOCOLS.values())
