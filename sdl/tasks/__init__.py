"""Frozen problems: system, lots, limits, prices, budget, success."""
