"""Pairs of answers to one question, one better than the other: how they are made, kept and read back."""
