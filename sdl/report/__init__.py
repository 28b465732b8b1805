"""The page of a campaign: one file that needs no network."""
