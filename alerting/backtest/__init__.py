"""What alerts would have done over a history: read from the rule engine's report, counted, compared and drawn."""
