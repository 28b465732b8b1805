"""Policies learned in the twin: configs, networks, training, artifacts."""
