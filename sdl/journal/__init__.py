"""The record of a campaign: append-only, checksummed, owned by one controller at a time."""
