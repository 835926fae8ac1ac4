"""Which option of a multiple-choice question a reply names: one letter, or nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from string import ascii_uppercase

from medvlm.evaluation.text import bare, clean, normalise

Verdict = tuple[str | None, str]

# A letter ends where no word goes on: not in "Both", "B12", "C-spine", "A's".
_END = r"(?![A-Za-z0-9_'&+\u00c0-\u024f])(?!-\w)"
_LETTER = rf"(?P<letter>[(\[]\s*[A-Za-z]\s*[)\]]|[A-Za-z]{_END})"
_ALONE = re.compile(r"(?:(?:option|choice|letter)\s*)?[(\[{]?\s*([A-Za-z])\s*[)\]}]?[\s.,:;)]*", re.IGNORECASE)
_MARKED_A = re.compile(r"[(\[]?\s*A(?:\s*[)\].:,]|\s+-)", re.IGNORECASE)  # normalisation takes this A for an article
_LEADING = re.compile(
    r"(?:(?:[Oo]ption|[Cc]hoice)\s+)?"
    r"(?:[(\[]\s*(?P<wrapped>[A-Za-z])\s*[)\]]\s*[-.:,]?|(?P<marked>[A-Za-z])(?:\s*[)\]]|[.:,](?=\s)|\s+-(?=\s))"
    r"|(?P<joined>[A-Z])(?:[.:]|\s+(?=because\b|since\b)))\s*(?P<rest>.+)",
    re.DOTALL,
)
_SPACED = re.compile(r"(?P<letter>[A-Z])\s+(?P<rest>.+)", re.DOTALL)
_SUBJECT = (
    r"(?:\banswer|\bchoose|\bchose|\bselect(?:ed)?|\bpick(?:ed)?|\bgo(?:ing)? with|\bopt for"
    r"|\b(?:correct|right|best|final|my) (?:option|choice)|答案|选)"
)
_LINK = r"(?:\s*(?:\bis\b|\bwould be\b|\bmust be\b|\boption\b|\bchoice\b|\bletter\b|\bthe\b|是|为|择|[:=*\"'-]))*\s*"
_CUE = re.compile(_SUBJECT + _LINK + _LETTER, re.IGNORECASE)
_VERDICT = re.compile(
    rf"(?<![\w'-]){_LETTER}\s+(?:is|seems)\s+(?:the\s+)?(?:correct|right|best|most likely|answer)\b", re.IGNORECASE
)
_STATED = re.compile(
    r"(?:(?:so|thus|therefore|hence),?\s+)?"
    r"(?:it is|it's|this is|(?:the\s+|my\s+)?(?:(?:correct|right|final|best|most likely)\s+)*"
    r"(?:answer|option|choice|diagnosis|finding)|答案)(?:\s+is\b|是|为)?\s*[:-]?\s*(?P<rest>.+)",
    re.IGNORECASE | re.DOTALL,
)
_NEGATOR = re.compile(
    r"(?:\b(?:not|never|neither|nor|cannot|except|exclud\w+|eliminat\w+|rul\w+ out|incorrect|wrong|if|whether|unless"
    r"|either|between|could|might|may)\b|n't\b|不|非|排除)[^.!?\n,;:]{0,60}$",
    re.IGNORECASE,
)
_DENIED = re.compile(
    r"\s*(?:\?|,?\s*(?:is|was|can|could|seems|would|looks)\s+(?:be\s+)?"
    r"(?:not|never|wrong|incorrect|false|ruled|excluded|unlikely)\b|\s+(?:isn't|can't|cannot)\b)",
    re.IGNORECASE,
)
_LIST = r"\s*(?:,|/|&|;|\+|\bor\b|\band\b|或|和|、)"
_MORE = re.compile(rf"{_LIST}+\s*[(\[]?[A-Z]{_END}(?!\s+[a-z])")
_MORE_BEFORE = re.compile(rf"(?<![\w'-])[A-Z][)\]]?{_LIST}+\s*[(\[]?$")
_GOES_ON = re.compile(
    r"\s*(?:[.,;:!)\]*\n(=\"'\u3400-\u9fff-]|$"
    r"|\b(?:because|since|as|given|based|due|for|with|which|where|not|rather|over|is|on|from|and|or|but)\b)",
    re.IGNORECASE,
)
_ENUMERATED = re.compile(r"(?<![\w'.-])[(\[]?([A-Z])(?:[)\]]|[.:](?=\s))")


def option_letter(text: str, options: Sequence[str]) -> str | None:
    """The letter of the one option whose text this is, first literally, then after normalisation.

    Args:
        text: An answer.
        options: Option texts in order.

    Examples:
        >>> option_letter("the Left lung.", ["Right lung", "left lung"])
        'B'
    """
    for form in (lambda value: bare(clean(value)).casefold(), normalise):
        hits = [index for index, option in enumerate(options) if form(option) == form(text) != ""]
        if len(hits) == 1:
            return ascii_uppercase[hits[0]]
    return None


def read_choice(text: str, options: Sequence[str]) -> Verdict:
    """The letter that a cleaned text names, and how it names it or why none can be taken.

    Args:
        text: The answer region of a reply, cleaned.
        options: Option texts in order; without them every letter from A to J is allowed.

    Examples:
        >>> read_choice("The answer is (B).", ["left", "right"])
        ('B', 'cue')
        >>> read_choice("A, B", ["left", "right"])
        (None, 'several letters')
    """
    text = text.replace("**", "").replace("__", "").strip(" \n\t\"'`$*")
    for reader in (_whole, _leading, _spaced, _cued, _stated, _own_line):
        value, how = reader(text, options)
        if value or how:
            return value, how
    return None, "no option named"


def _allowed(letter: str, options: Sequence[str], how: str) -> Verdict:
    letter, count = letter.upper(), len(options) or 10
    if letter in ascii_uppercase[:count]:
        return letter, how
    return None, f"letter {letter} is none of the {count} options"


def _whole(text: str, options: Sequence[str]) -> Verdict:
    """All of the text is a letter, or an option's text."""
    own, alone = option_letter(text, options), _ALONE.fullmatch(text)
    article = own and text.startswith("A ") and not options[ascii_uppercase.index(own)].startswith("A ")
    if article and own != "A":
        return None, "a letter A or an article"
    if own and own != "A" and _MARKED_A.match(text) and not _MARKED_A.match(options[ascii_uppercase.index(own)]):
        return None, "letter and text disagree"
    if not alone:
        return own, "option text" if own else ""
    if own and own != alone[1].upper():
        return None, "a letter that is the text of another option"
    return _allowed(alone[1], options, "letter")


def _leading(text: str, options: Sequence[str]) -> Verdict:
    """``B. text``: the option's own text, or an explanation that names no other option."""
    match = _LEADING.fullmatch(text)
    if not match:
        return None, ""
    letter = (match["wrapped"] or match["marked"] or match["joined"]).upper()
    rest = match["rest"].strip()
    own = option_letter(rest, options)
    if own:
        return (letter, "letter and text") if own == letter else (None, "letter and text disagree")
    if _ALONE.fullmatch(rest) or _MORE.match(", " + rest) or _MORE.match(" " + rest):
        return None, "several letters"
    others = set(_ENUMERATED.findall(rest)) | {found for found, _, _ in _assertions(rest)}
    if others - {letter} or _DENIED.match(" " + rest) or _names_other(rest, letter, options):
        return None, "another option is named too, or this one denied"
    return _allowed(letter, options, "leading letter")


def _names_other(text: str, letter: str, options: Sequence[str]) -> bool:
    """Whether the text holds the words of another option, outside the words of its own."""
    padded = f" {normalise(text)} "
    forms = {ascii_uppercase[index]: f" {normalise(option)} " for index, option in enumerate(options[:26])}
    padded = padded.replace(forms.get(letter, "  "), "  ")
    return any(form in padded for other, form in forms.items() if other != letter and form.strip())


def _spaced(text: str, options: Sequence[str]) -> Verdict:
    """``B left lung``: only with the option's own text, because "A" is also an article."""
    match = _SPACED.fullmatch(text)
    own = option_letter(match["rest"], options) if match else None
    if not match or not own:
        return None, ""
    return (own, "letter and text") if own == match["letter"] else (None, "letter and text disagree")


def _assertions(text: str) -> Iterator[tuple[str, str, str]]:
    """Each (letter, before, after) that the text states as its answer."""
    for pattern in (_CUE, _VERDICT):
        for match in pattern.finditer(text):
            raw, after = match["letter"], text[match.end("letter") :]
            if len(raw) == 1 and pattern is _CUE and not _GOES_ON.match(after):
                continue
            # A lone small letter is an article unless the sentence ends with it.
            if raw.islower() and len(raw) == 1 and not re.match(r"[.!)*\s]*(?:\n|$)", after):
                continue
            yield raw.strip("()[] \n").upper(), text[: match.start()], after


def _cued(text: str, options: Sequence[str]) -> Verdict:
    """``The answer is B``, ``I would choose B``, ``B is correct``: one letter, neither denied nor listed."""
    letters = set()
    for letter, before, after in _assertions(text):
        if _NEGATOR.search(before) or _DENIED.match(after):
            return None, "the letter is denied or a condition"
        if _MORE.match(after) or _MORE_BEFORE.search(before):
            return None, "several letters"
        named = re.match(r"[)\]]?\s*[.:=(-]\s*([^\n.()]+)", after)
        own = option_letter(named[1], options) if named else None
        if own and own != letter:
            return None, "letter and text disagree"
        letters.add(letter)
    if len(letters) > 1:
        return None, "several letters"
    return _allowed(letters.pop(), options, "cue") if letters else (None, "")


def _stated(text: str, options: Sequence[str]) -> Verdict:
    """``The answer is left lung.``: exactly the text of one option after a cue."""
    match = _STATED.fullmatch(text)
    if not match:
        return None, ""
    spaced = _spaced(match["rest"], options)
    if any(spaced):
        return spaced
    letter = option_letter(match["rest"], options)
    return letter, "cue and option text" if letter else ""


def _own_line(text: str, options: Sequence[str]) -> Verdict:
    """A letter alone on the first or the last line, if no other line stands for another."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    found = {match[1].upper() for line in lines if (match := _ALONE.fullmatch(line))}
    if len(found) != 1:
        return None, "several letters" if found else ""
    if not (_ALONE.fullmatch(lines[0]) or _ALONE.fullmatch(lines[-1])):
        return None, ""
    return _allowed(found.pop(), options, "own line")
