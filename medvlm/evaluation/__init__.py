"""Answers read without guessing, scores with intervals, protocols, baselines, and the page of a run."""
