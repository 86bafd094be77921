"""Slack's Web API, as far as a chat app of one workspace needs it."""
