"""Checks of a chemical system that tell everything they find, not only the first fault."""
