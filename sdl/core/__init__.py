"""Nouns, units, protocols, clock, configuration, errors; imports nothing of ours."""
