"""Settings are held against each other once, whether each of them is right by itself or not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from alerting.errors import AlertingError
from alerting.settings import checked, load
from alerting.settings.contradictions import Contradiction, Rule
from alerting.settings.load import SettingsRefused, settings_from
from alerting.settings.parts import UncheckedSettings
from tests.alerting_data import settings

VALUES = settings().model_dump(mode="json")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Put one rule, which always finds a contradiction, in place of all; return the regions that it was asked about."""
    regions: list[str] = []

    def find(found: UncheckedSettings) -> Iterator[Contradiction]:
        regions.append(found.aws.region)
        yield Contradiction(key="aws.region", message="goes with nothing")

    for module in (checked, load):
        monkeypatch.setattr(module, "RULES", (Rule(reads=("aws",), find=find),))
    return regions


@pytest.mark.parametrize(
    ("changes", "others"), [({}, []), ({"time_scale": 0}, ["time_scale: found 0; allowed: 1 or more"])]
)
def test_contradictions_are_looked_for_once(asked: list[str], changes: dict[str, object], others: list[str]) -> None:
    with pytest.raises(SettingsRefused) as raised:
        settings_from({**VALUES, **changes}, "prod", keys=())

    command = "`pulumi config set --stack prod --path 'orion-alerting:aws.region' VALUE`"
    *before, contradiction = raised.value.problems
    assert [problem.partition(". Set")[0] for problem in before] == others
    assert contradiction == f"aws.region: goes with nothing. Set it with {command}"
    assert asked == ["us-east-1"]
    assert isinstance(raised.value, AlertingError)
