"""What a run leaves behind: its parameters, its record, the verdicts on the claims, and how results reach the book."""

from experiments.records.claims import VERDICTS, decide
from experiments.records.parameters import ParameterError
from experiments.records.run import Run

__all__ = ["VERDICTS", "ParameterError", "Run", "decide"]
