"""Everything that a user's account and cluster would be, on one machine.

The embedded back ends of the engine, and what starts, watches and breaks them.
"""
