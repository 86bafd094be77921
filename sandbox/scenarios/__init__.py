"""Simulates scenarios: the metrics source on a simulated clock and cluster, scraped into a history for a backtest."""
