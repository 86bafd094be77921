"""Answers alerts with the repairs that the catalog allows, each once, and says what became of it."""
