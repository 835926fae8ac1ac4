"""How each benchmark is asked, read, scored and counted: one versioned file each, printed beside every score."""

from __future__ import annotations

from medvlm.evaluation.protocols.known import KnownSplit, SplitCheck
from medvlm.evaluation.protocols.protocol import Protocol
from medvlm.evaluation.protocols.reading import read_protocol
from medvlm.evaluation.protocols.registry import PROTOCOLS, get_protocol
from medvlm.evaluation.protocols.rules import PARSER_VERSION, RULES

__all__ = [
    "PARSER_VERSION",
    "PROTOCOLS",
    "RULES",
    "KnownSplit",
    "Protocol",
    "SplitCheck",
    "get_protocol",
    "read_protocol",
]
