"""Transports: bytes to a device and back, under a lock and a deadline; no protocol is here."""
