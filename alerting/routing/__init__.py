"""Routes, Alertmanager's configuration and templates."""
