"""Adaptation to a laboratory that is not as believed: belief, residual, choice, and rivals."""
