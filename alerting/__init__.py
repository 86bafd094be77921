"""The typed model of alerts, routes, rotations and repairs, and the generators that turn it into configuration.

Nothing in here talks to a network, to Pulumi or to AWS.
"""
