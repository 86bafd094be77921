"""A stand-in for Slack: incoming webhooks, the Web API and interactions, with their limits and errors."""

from __future__ import annotations

from sandbox.clouds.slack.application import create_application

__all__ = ["create_application"]
