"""Options and letters of multiple-choice questions, as the released sets write them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .records import UnusableRecordError

LETTERED = re.compile(r"^\s*\(?([A-Z])\s*[).:]\s*(.*)$", re.DOTALL)
LETTER_ALONE = re.compile(r"^\s*\(?([A-Z])[).:]?\s*$")


def choice_answer(answer: str, options: tuple[str, ...], where: str) -> str:
    """Return the answer if it is one option and no other, else refuse the record."""
    if len(options) < 2:
        raise UnusableRecordError(where, f"choice with {len(options)} options, expected two or more")
    if len(set(options)) < len(options):
        raise UnusableRecordError(where, "the same option twice")
    if answer not in options:
        raise UnusableRecordError(
            where, "answer is none of the options (write the option's text, not its letter)", answer
        )
    return answer


def option_at(letter: str, options: tuple[str, ...], where: str) -> str:
    """Return the option that a letter names by its position.

    Args:
        letter: ``B``, ``b``, ``(B)`` or ``B.``.
        options: The options in order.
        where: Name of the record.

    Raises:
        UnusableRecordError: If the letter names no option, or the options make no choice.

    Examples:
        >>> option_at("(B)", ("left", "right"), "1")
        'right'
    """
    match = LETTER_ALONE.match(letter.upper())
    place = ord(match[1]) - ord("A") if match else len(options)
    if place >= len(options):
        raise UnusableRecordError(where, f"answer is no letter of the {len(options)} options", letter)
    return choice_answer(options[place], options, where)


def without_letters(values: Sequence[str]) -> tuple[tuple[str, ...], bool]:
    """Take the letters off options, if every option has one, and say whether the letters follow the positions.

    Examples:
        >>> without_letters(["A) left", "B. right"]), without_letters(["T. spine", "rib"])
        ((('left', 'right'), True), (('T. spine', 'rib'), True))
    """
    matches = [LETTERED.match(text) for text in values]
    if not all(matches):
        return tuple(text.strip() for text in values), True
    found = [(match[1], match[2].strip()) for match in matches if match]
    in_order = all(letter == chr(ord("A") + place) for place, (letter, _) in enumerate(found))
    return tuple(text for _, text in found), in_order


def lettered_options(choices: object, where: str) -> tuple[str, ...]:
    """Return the options of an object ``{"A": text, "B": text, ...}`` in the order of their letters.

    Raises:
        UnusableRecordError: If it is no such object, or the letters do not follow each other from A.

    Examples:
        >>> lettered_options({"B": "left ", "A": "right"}, "1")
        ('right', 'left')
    """
    if not isinstance(choices, dict) or not all(isinstance(text, str) and text.strip() for text in choices.values()):
        raise UnusableRecordError(where, "options: expected an object of letter and text", choices)
    letters = sorted(choices)
    if letters != [chr(ord("A") + place) for place in range(len(letters))]:
        raise UnusableRecordError(where, "letters of the options do not follow each other from A", "".join(letters))
    return tuple(choices[letter].strip() for letter in letters)
