"""Cross-checks: every reference in catalog, rules and runbooks is followed before anything is deployed."""

from __future__ import annotations

from datetime import UTC, datetime

from alerting.catalog import Catalog
from alerting.oncall.checks.ownership import ownership_problems
from alerting.repairs.checks import repair_problems
from alerting.routing.checks.references import routing_problems
from alerting.routing.checks.silences import silence_problems
from alerting.rules.checks.alerts import rule_problems
from alerting.rules.checks.composites import composite_problems
from alerting.rules.checks.corrections import correction_problems
from alerting.rules.checks.minimum_events import minimum_problems
from alerting.rules.checks.objectives import objective_problems
from alerting.source.problems import Problem


def problems(catalog: Catalog, now: datetime | None = None) -> list[Problem]:
    """Return everything that is wrong between the parts of a catalog, each of which is valid by itself.

    Where a name is not there, or twice, only that is told: of a team that is misspelled it would be said that it has no
    route, that its receiver is not reachable, and so on. Rotations are looked at from `now` on, the present unless
    given.
    """
    found = [
        *ownership_problems(catalog, now or datetime.now(UTC)),
        *rule_problems(catalog),
        *minimum_problems(catalog),
        *objective_problems(catalog),
        *composite_problems(catalog),
        *correction_problems(catalog),
        *routing_problems(catalog),
        *silence_problems(catalog),
        *repair_problems(catalog),
    ]
    return [problem for problem in found if problem.comes_first] or found
