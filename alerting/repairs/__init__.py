"""Automatic repairs: their model, SSM documents and the rights they need."""
