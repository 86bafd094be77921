"""Everything that a user's account and cluster would be, on one machine: the engine's embedded back ends and what starts and watches them."""
