"""Checks of Prometheus rules."""
