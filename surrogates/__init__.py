"""Models of outcomes with honest uncertainty, acquisition functions, the twin's belief."""
