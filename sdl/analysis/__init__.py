"""Patterns and spectra to numbers with sigma; real and simulated alike."""
