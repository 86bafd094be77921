"""A run's secrets are kept for the commands of the same user, and of no other."""

from __future__ import annotations

from pathlib import Path

from sandbox.credentials import FILE, Credentials


def test_another_command_reads_what_a_run_has_kept_and_another_user_does_not(tmp_path: Path) -> None:
    credentials = Credentials.new()
    credentials.keep(tmp_path)

    assert Credentials.kept_in(tmp_path) == credentials
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
