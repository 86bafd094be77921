"""Files that are no YAML, no text, in the wrong place or not there: each is told, and nothing hides the others."""

from __future__ import annotations

import shutil
from itertools import pairwise
from pathlib import Path

import pytest

from alerting.build import load_catalog
from alerting.source.yaml_source import parse_document
from tests.alerting_data import changed, copied_root, problems


def test_all_problems_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    root = changed(tmp_path / "root", "catalog/services.yaml", "team: trading", "taem: trading")
    (root / "rules" / "meta.yaml").write_text("groups: [")
    (root / "catalog" / "teams.yaml").unlink()

    files = {problem.split(":")[0] for problem in problems(root)}

    assert files == {"catalog/services.yaml", "rules/meta.yaml", "catalog/teams.yaml"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- a\n- b\n",
        "just text",
        "a: &x [*x]\n",
        "a: \x00\n",
        "? [1]\n: 2\n",
        "\ttab: 1",
        'a: "\\UFFFFFFFF"',
        'a: "\\U00110000"',
    ],
)
def test_files_that_are_no_catalog_are_refused(tmp_path: Path, text: str) -> None:
    root = copied_root(tmp_path / "root")
    (root / "catalog" / "services.yaml").write_text(text)

    assert all(problem.startswith("catalog/services.yaml:1: ") for problem in problems(root))


@pytest.mark.parametrize(
    ("value", "tag"),
    [
        ('!!bool "abc"', "tag:yaml.org,2002:bool"),
        ('!!int ""', "tag:yaml.org,2002:int"),
        ("!!float x", "tag:yaml.org,2002:float"),
        ("!!null x", "tag:yaml.org,2002:null"),
        ("!!timestamp x", "tag:yaml.org,2002:timestamp"),
        ("!!binary aGVsbG8=", "tag:yaml.org,2002:binary"),
        ("!!set {x}", "tag:yaml.org,2002:set"),
        ("!!omap [x: 1]", "tag:yaml.org,2002:omap"),
        ("!!python/object/apply:os.getcwd []", "tag:yaml.org,2002:python/object/apply:os.getcwd"),
        ("!own x", "!own"),
        ("!own {}", "!own"),
    ],
)
def test_a_tag_that_says_what_its_value_is_not_is_refused(tmp_path: Path, value: str, tag: str) -> None:
    root = changed(tmp_path / "root", "catalog/services.yaml", "team: trading", f"team: {value}")

    assert problems(root) == [
        f'catalog/services.yaml:5: services.orders.team: has the tag "{tag}"; allowed: no tag. Remove it'
    ]


def test_a_tag_that_says_what_its_value_is_changes_nothing() -> None:
    read = parse_document("file.yaml", "a: !!str 5\nb: !!int 5\nc: !!bool yes\nd: !!timestamp 2026-01-01\n")

    assert read.data == {"a": "5", "b": 5, "c": True, "d": "2026-01-01"}


@pytest.mark.parametrize(
    "value", ["9" * 5000, "0x" + "f" * 5000, "1" + ":0" * 300 + ".0", "0b_"], ids=["long", "hex", "base 60", "empty"]
)
def test_what_looks_like_a_number_and_cannot_be_one_is_refused(tmp_path: Path, value: str) -> None:
    root = changed(tmp_path / "root", "catalog/services.yaml", "objective: 0.999", f"objective: {value}")

    (problem,) = problems(root)

    assert problem.startswith(f'catalog/services.yaml:7: services.orders.objective: found "{value[:40]}')
    assert problem.endswith("; allowed: a number of at most 64 bits. Change or quote it")


def test_a_key_that_cannot_be_seen_is_refused(tmp_path: Path) -> None:
    root = changed(tmp_path / "root", "catalog/services.yaml", "    team: trading", '    "te\\u202eam": trading')

    (problem,) = problems(root)

    assert problem == (
        'catalog/services.yaml:5: services.orders: found the key "te\\x202eam"; '
        "allowed: a key on one line that can be seen whole. Change it"
    )


def test_aliases_of_aliases_are_not_followed_without_end(tmp_path: Path) -> None:
    root = copied_root(tmp_path / "root")
    names = "abcdefghijkl"
    lines = [f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]" for before, name in pairwise(names)]
    (root / "catalog" / "services.yaml").write_text("\n".join(["a: &a [x]", *lines]))

    (problem,) = problems(root)

    assert problem.startswith("catalog/services.yaml:2: is not YAML: aliases stand for more than 10000 values")


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    root = copied_root(tmp_path / "root")
    (root / "rules/objectives/more.yaml").write_text("# " + "x" * 10_000_000)

    (problem,) = problems(root)

    assert problem == ("rules/objectives/more.yaml:1: found 10000002 bytes; allowed: at most 5000000. Split the file")


def test_a_file_of_too_many_values_is_refused(tmp_path: Path) -> None:
    """Told at the line of the first that is too many, before anything is made of them."""
    root = copied_root(tmp_path / "root")
    (root / "rules/objectives/more.yaml").write_text("a:\n" + "- [b, c]\n" * 400_000)

    (problem,) = problems(root)

    # Three are the mapping, its key and its list; each line has three more.
    assert problem == (
        "rules/objectives/more.yaml:333334: found more than 1000000 keys and values; allowed: as many. Split the file"
    )


def test_aliases_are_followed() -> None:
    assert parse_document("file.yaml", "a: &a [x]\nb: [*a, *a]\n").data == {"a": ["x"], "b": [["x"], ["x"]]}


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (
            "catalog/service.yaml",
            "nothing reads it; allowed in catalog/: corrections.yaml, market.yaml, remediations.yaml, routing.yaml, ",
        ),
        ("catalog/more/services.yaml", "nothing reads it; allowed in catalog/: "),
        (
            "rules/extra.yml",
            "nothing reads it; allowed in rules/: NAME.yaml, objectives/, scenarios/, tests/. Rename, ",
        ),
        (
            "rules/sub/x.yaml",
            "nothing reads it; allowed in rules/: NAME.yaml, objectives/, scenarios/, tests/. Rename, ",
        ),
        ("rules/tests/x_test.yml", "nothing reads it; allowed in rules/tests/: NAME.yaml. Rename, move or remove it"),
        ("runbooks/ServiceDown.txt", "nothing reads it; allowed in runbooks/: NAME.md, actions/. Rename, "),
        ("runbooks/more/ServiceDown.md", "nothing reads it; allowed in runbooks/: NAME.md, actions/. Rename, "),
        ("runbooks/actions/restart.yml", "nothing reads it; allowed in runbooks/actions/: NAME.yaml. Rename, "),
        *(
            (
                f"rules/{domain}.yaml",
                "is the name of rules that are made from the catalog; allowed: any but services, market, series, slo. ",
            )
            for domain in ("services", "market", "series", "slo")
        ),
        *(
            (f"rules/{domain}.yaml", "allowed as a name: lower-case letters, digits and `-`, at most 34, a letter ")
            for domain in ("My Rules", "my.rules", "my_rules", "-rules", "rules-", "4rules", "r" * 35)
        ),
    ],
)
def test_a_file_that_nothing_would_read_or_that_cannot_be_deployed_is_refused(
    tmp_path: Path, file: str, message: str
) -> None:
    root = copied_root(tmp_path / "root")
    (root / file).parent.mkdir(exist_ok=True)
    shutil.copy(root / "rules" / "errors.yaml", root / file)
    place = "/".join(file.split("/")[: 3 if file.startswith(("rules/tests", "runbooks/actions")) else 2])

    assert any(problem.startswith(f"{place}:1: {message}") for problem in problems(root))


def test_a_hidden_file_is_nobodys_business(tmp_path: Path) -> None:
    root = copied_root(tmp_path / "root")
    for folder in ("catalog", "rules", "runbooks"):
        (root / folder / ".DS_Store").touch()

    assert load_catalog(root).services


def test_a_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    root = copied_root(tmp_path / "root")
    shutil.rmtree(root / "rules" / "tests")

    assert problems(root) == ["rules/tests:1: the folder is not there. Make it"]


def test_the_longest_name_of_rules_is_allowed(tmp_path: Path) -> None:
    root = copied_root(tmp_path / "root")
    (root / "rules" / "errors.yaml").rename(root / "rules" / f"{'r' * 34}.yaml")

    assert "r" * 34 in load_catalog(root).rules.groups


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    root = copied_root(tmp_path / "root")
    (root / "catalog" / "services.yaml").unlink()
    (root / "catalog" / "services.yaml").mkdir()

    assert "catalog/services.yaml:1: cannot be read: Is a directory. Put that right" in problems(root)


@pytest.mark.parametrize("file", ["catalog/services.yaml", "rules/kafka.yaml", "runbooks/ServiceDown.md"])
def test_a_file_that_is_not_text_is_refused(tmp_path: Path, file: str) -> None:
    root = copied_root(tmp_path / "root")
    (root / file).write_bytes(b"a: \xff")

    assert problems(root) == [f"{file}:1: is not UTF-8 at byte 3. Save it as UTF-8"]
