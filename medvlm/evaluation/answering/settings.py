"""What is stated about how questions are answered: read from a word of the command line, printed beside every score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

FORMS = "greedy, letters, texts, texts:sum, vote:N, pass:N, refine:N, refine:N:M, budget:MIN:MAX"
TEMPERATURE = 0.7
"""At which answers are drawn where none is given."""
SAMPLED = ("vote", "pass", "refine")
_COUNTS: Mapping[str, tuple[int, int]] = {
    "greedy": (0, 0),
    "letters": (0, 0),
    "texts": (0, 0),
    "vote": (1, 1),
    "pass": (1, 1),
    "refine": (1, 2),
    "budget": (2, 2),
}


@dataclass(frozen=True, slots=True)
class Answering:
    """How questions are answered.

    Attributes:
        strategy: A key of `medvlm.evaluation.answering.strategies.STRATEGIES`.
        draws: Answers drawn to a question (``vote``, ``pass``), or drafts that a second pass is shown (``refine``).
        votes: Answers of the second pass (``refine``).
        least: Tokens that a thought has at least (``budget``).
        most: Tokens after which a thought is ended (``budget``).
        total: Whether an option's text is scored by the sum over its tokens instead of their mean (``texts``).
        temperature: Of the draws; 0 is greedy.
        shots: Answered training examples before each question.
        orders: Orders in which the options of a choice are asked; a vote over them is the answer.
        probabilities: Whether greedy answers carry the probabilities of the options.
    """

    strategy: str = "greedy"
    draws: int = 0
    votes: int = 0
    least: int = 0
    most: int = 0
    total: bool = False
    temperature: float = 0.0
    shots: int = 0
    orders: int = 1
    probabilities: bool = False

    def __post_init__(self) -> None:
        if self.strategy not in _COUNTS:
            raise ValueError(f"answering {self.strategy!r} is unknown; expected one of {FORMS}")
        if self.shots < 0 or self.orders < 1:
            raise ValueError(f"shots={self.shots}, orders={self.orders}; expected 0 or more shots, 1 or more orders")
        if self.temperature < 0 or (self.strategy in SAMPLED and not self.temperature):
            raise ValueError(f"temperature={self.temperature:g} for {self.strategy}; draws need one above 0")
        if self.temperature and self.strategy in ("greedy", "letters", "texts"):
            raise ValueError(
                f"temperature={self.temperature:g} for {self.strategy}, which draws nothing; for one draw take pass:1"
            )
        if self.strategy in SAMPLED and (self.draws < 1 or (self.strategy == "refine" and self.votes < 1)):
            raise ValueError(f"{self.strategy} of {self.draws} draws; expected at least 1 (one of {FORMS})")
        if self.strategy == "budget" and (self.most < 1 or not 0 <= self.least <= self.most):
            raise ValueError(
                f"budget:{self.least}:{self.most}; expected MIN:MAX tokens of thought, 0 <= MIN <= MAX, 1 <= MAX"
            )

    @property
    def seeded(self) -> bool:
        """Whether a seed changes the answers."""
        return bool(self.temperature or self.shots)

    def key(self, seed: int) -> dict[str, Any]:
        """What of it belongs into the key of a run; nothing for plain greedy answers.

        Args:
            seed: Of the draws and the shots.
        """
        if self == GREEDY:
            return {}
        return {"answering": asdict(self) | ({"seed": seed} if self.seeded else {})}

    def describe(self, max_new_tokens: int, seed: int) -> str:
        """How answers came about, as it is printed beside a score.

        Args:
            max_new_tokens: Longest answer.
            seed: Of the draws and the shots.

        Examples:
            >>> parse_answering("vote:8").describe(64, 0)
            'vote of 8 at 0.7, seed 0, at most 64 tokens'
        """
        drawn = f"at {self.temperature:g}, seed {seed}"
        size, rest = f"at most {max_new_tokens} tokens", "others greedy, "
        decoding = {
            "greedy": f"greedy, {size}",
            "letters": f"likeliest option letter, yes or no; {rest}{size}",
            "texts": f"likeliest option text ({'sum' if self.total else 'mean'} over its tokens); {rest}{size}",
            "vote": f"vote of {self.draws} {drawn}, {size}",
            "pass": f"first of {self.draws} {drawn}, {size}",
            "refine": f"vote of {self.votes} over {self.draws} drafts {drawn}, {size}",
            "budget": f"thoughts of {self.least} to {self.most} tokens, {drawn if self.temperature else 'greedy'}, "
            f"then {size}",
        }[self.strategy]
        shots = f" | {self.shots} shots, seed {seed}" if self.shots else ""
        return decoding + shots + (f" | {self.orders} orders of options" if self.orders > 1 else "")


GREEDY = Answering()
"""At each token the likeliest."""


def parse_answering(
    text: str,
    *,
    temperature: float | None = None,
    shots: int = 0,
    orders: int = 1,
    probabilities: bool = False,
) -> Answering:
    """Read how questions are answered from a word.

    Args:
        text: ``greedy``, ``letters``, ``vote:8``, ``budget:128:512`` and so on.
        temperature: Of the draws; None takes 0.7 where answers are drawn, and 0 elsewhere.
        shots: Answered training examples before each question.
        orders: Orders of the options.
        probabilities: Whether greedy answers carry the probabilities of the options.

    Raises:
        ValueError: If the word, a number in it or their combination is none of the known ones.

    Examples:
        >>> parse_answering("vote:8").draws, parse_answering("refine:4").votes
        (8, 4)
    """
    strategy, *given = text.split(":")
    total = strategy == "texts" and given == ["sum"]
    least, most = _COUNTS.get(strategy, (0, -1))
    if total:
        given = []
    if not least <= len(given) <= most or not all(count.isascii() and count.isdigit() for count in given):
        raise ValueError(f"answering {text!r} cannot be read; expected one of {FORMS}")
    counts = [int(count) for count in given]
    fields: dict[str, Any] = {}
    if strategy in ("vote", "pass"):
        fields = {"draws": counts[0]}
    elif strategy == "refine":
        fields = {"draws": counts[0], "votes": counts[-1]}
    elif strategy == "budget":
        fields = {"least": counts[0], "most": counts[1]}
    default = TEMPERATURE if strategy in SAMPLED else 0.0
    return Answering(
        strategy,
        total=total,
        temperature=default if temperature is None else temperature,
        shots=shots,
        orders=orders,
        probabilities=probabilities and strategy == "greedy",
        **fields,
    )
