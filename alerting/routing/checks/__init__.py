"""Checks of routes, receivers and inhibitions."""
