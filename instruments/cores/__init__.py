"""Driver cores: one instrument each, with its transport, protocol, state and limits. No Bluesky."""
