"""Files that new users start from."""
