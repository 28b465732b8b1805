"""Policies: what to make next."""
