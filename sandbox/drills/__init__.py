"""The drills: each is a cause, and what the journal must and must not hold afterwards, by when."""
