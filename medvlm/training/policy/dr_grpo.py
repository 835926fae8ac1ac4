"""Dr. GRPO: GRPO without its two divisions.

Liu et al., Understanding R1-Zero-Like Training (arXiv 2503.20783). ``A_i = r_i - mean_g``; the sum over tokens is
divided by completions x the length limit.

Differs from GRPO: no division by the standard deviation (which favours questions that are nearly always or never
solved) and none by the length of a completion (which forgives long wrong answers).
"""

from __future__ import annotations

from medvlm.training.policy.method import Method
from medvlm.training.policy.surrogate import clipped_surrogate

METHOD = Method(
    clipped_surrogate,
    {"clip_low": 0.2, "clip_high": 0.2, "delta": None, "dual": None},
    scale="none",
    aggregate="constant",
)
