"""The root of the errors whose message is for a person: what is wrong, where, and what to do.

AlertingError
├── CatalogError          catalog, rules or runbooks hold problems (alerting.source.problems)
├── SettingsRefused       a stack's settings cannot be used (alerting.settings.load)
├── RefusedOption         a generated Alertmanager option that not every reader accepts
├── ReportUnreadable      a backtest's report is of another shape (alerting.backtest.report)
├── of the command line   QuestionUnclear, ChartUnusable, WrongAccount, NotCompared, NotARefresh, BacktestFailed,
│                         PrometheusUnusable, NoBackfill, SiteFailed, NoAuditRecord
└── of the sandbox        DeploymentFailed, Interrupted, NoSandbox, ServiceFailed, UnknownFault

The command line prints each without a stack trace. `tools/` stands alone and has its own.
"""

from __future__ import annotations


class AlertingError(Exception):
    """Something that a person can put right. The message says all that they need, with no stack trace."""
