"""The three programs that the operator's pods run, and what each of their arguments holds.

Read off the operator 0.85's StatefulSets and the programs' own `--help`. An argument that is not listed is refused by
name: it may hold a path or an address that has to be translated.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """The meaning of a program's flags. `listens` maps a flag to the container port it has when it is not given."""

    binary: str
    listens: Mapping[str, int]
    paths: frozenset[str]
    peers: frozenset[str] = frozenset()
    urls: frozenset[str] = frozenset()
    plain: frozenset[str] = field(default_factory=frozenset[str])


_ALERTMANAGER = Program(
    binary="alertmanager",
    listens={"web.listen-address": 9093, "cluster.listen-address": 9094},
    paths=frozenset({"config.file", "storage.path", "web.config.file", "cluster.tls-config"}),
    peers=frozenset({"cluster.peer"}),
    plain=frozenset(
        {
            "alerts.gc-interval",
            "cluster.gossip-interval",
            "cluster.label",
            "cluster.peer-timeout",
            "cluster.pushpull-interval",
            "cluster.reconnect-interval",
            "cluster.reconnect-timeout",
            "cluster.settle-timeout",
            "data.maintenance-interval",
            "data.retention",
            "dispatch.start-delay",
            "enable-feature",
            "log.format",
            "log.level",
            "silences.max-silence-size-bytes",
            "silences.max-silences",
            "web.external-url",
            "web.get-concurrency",
            "web.route-prefix",
            "web.timeout",
        }
    ),
)
_PROMETHEUS = Program(
    binary="prometheus",
    listens={"web.listen-address": 9090},
    paths=frozenset({"config.file", "storage.tsdb.path", "web.config.file", "query.log-file"}),
    plain=frozenset(
        {
            "auto-gomaxprocs",
            "auto-gomemlimit.ratio",
            "enable-feature",
            "log.format",
            "log.level",
            "query.lookback-delta",
            "query.max-concurrency",
            "query.max-samples",
            "query.timeout",
            "rules.alert.for-grace-period",
            "rules.alert.for-outage-tolerance",
            "rules.alert.resend-delay",
            "rules.max-concurrent-evals",
            "scrape.discovery-reload-interval",
            "storage.tsdb.max-block-duration",
            "storage.tsdb.min-block-duration",
            "storage.tsdb.retention.size",
            "storage.tsdb.retention.time",
            "storage.tsdb.wal-compression",
            "web.enable-admin-api",
            "web.enable-lifecycle",
            "web.enable-otlp-receiver",
            "web.enable-remote-write-receiver",
            "web.external-url",
            "web.max-connections",
            "web.page-title",
            "web.route-prefix",
        }
    ),
)
_RELOADER = Program(
    binary="prometheus-config-reloader",
    listens={"listen-address": 8080},
    paths=frozenset({"config-file", "config-envsubst-file", "watched-dir", "web-config-file"}),
    urls=frozenset({"reload-url", "runtimeinfo-url"}),
    plain=frozenset(
        {"delay-interval", "log-format", "log-level", "reload-method", "reload-timeout", "retry-interval"}
        | {"statefulset-ordinal-from-envvar", "watch-interval"}
    ),
)
PROGRAMS: Mapping[str, Program] = {
    "alertmanager": _ALERTMANAGER,
    "prometheus": _PROMETHEUS,
    "prometheus-config-reloader": _RELOADER,
}
"""By the last part of the container image's name."""


def program_of(image: str) -> Program | None:
    """Return the program that an image stands for, or None: `quay.io/prometheus/alertmanager:v0.34.0`."""
    return PROGRAMS.get(re.split("[@:]", image.rsplit("/", 1)[-1], maxsplit=1)[0])
