"""Asks Alertmanager for functions that are not in its network."""
