"""Driver cores: limits, state and log of each station; no bluesky, no ophyd."""
