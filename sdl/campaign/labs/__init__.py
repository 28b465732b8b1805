"""Laboratories: where commands are carried out."""
