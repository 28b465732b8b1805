"""Policies from logs alone: episodes as data, learners, and judgement before a furnace."""
