"""Protocols: pure functions between bytes and what they mean; nothing is sent from here."""
