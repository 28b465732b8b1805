"""Where Bluesky documents go from the journal's outbox; the journal stays the record."""
