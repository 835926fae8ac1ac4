"""Further questions that a score alone does not ask: negation, what must be refused, errors in reports."""

from medvlm.evaluation.probes.running import PROBES, check_probes, run_probes

__all__ = ["PROBES", "check_probes", "run_probes"]
