"""Prometheus rules: reading expressions, generating recordings, rendering, dashboards and pod monitors."""
