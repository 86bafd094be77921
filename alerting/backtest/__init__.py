"""The firings that alerts would have had over a history: read from the rule engine, counted, compared and drawn."""
