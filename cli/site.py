"""`orion site`: the runbooks as a site of static files, which any web server can publish."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alerting.catalog import Catalog
from alerting.errors import AlertingError
from alerting.rules.runbook_site import RunbookSite, runbook_site
from alerting.settings import Settings

SITE = Path("build") / "site"
"""Where in a checkout the site is built, unless told otherwise."""
_GENERATOR = Path(sys.executable).parent / "zensical"
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_SCHEMES = {"default": ("light", "weather-sunny", "Dark"), "slate": ("dark", "weather-night", "Light")}


class SiteFailed(AlertingError):
    """The generator refuses the pages; the message ends with its words."""


def build_site(catalog: Catalog, settings: Settings, output: Path) -> int:
    """Write the site of a checked catalog into the folder `output`, in place of what is there.

    Returns the number of pages. Raises `SiteFailed`.
    """
    site = runbook_site(catalog, settings)
    with tempfile.TemporaryDirectory(prefix="orion-site-") as folder:
        made = _generated(site, Path(folder), settings.addresses.runbooks)
        shutil.rmtree(output, ignore_errors=True)
        output.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(made, output)
    return len(site.pages)


def _generated(site: RunbookSite, folder: Path, address: str) -> Path:
    for page in site.pages:
        path = folder / "docs" / page.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page.text, encoding="utf-8")
    # JSON is YAML too.
    (folder / "mkdocs.yml").write_text(json.dumps(_configuration(site, address)), encoding="utf-8")
    done = subprocess.run(
        [_GENERATOR, "build", "--strict", "--config-file", "mkdocs.yml"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        said = _COLOUR.sub("", done.stdout + done.stderr).partition("\nTraceback ")[0]
        raise SiteFailed(f"zensical refuses the pages of runbooks/:\n{said}")
    return folder / "site"


def _configuration(site: RunbookSite, address: str) -> Mapping[str, Any]:
    """Return the generator's configuration. Nothing of the site is loaded from elsewhere, fonts neither."""
    return {
        "site_name": "Orion runbooks",
        "site_url": f"{address}/",
        "nav": site.navigation,
        "theme": {
            "font": False,
            "icon": {"logo": "lucide/siren"},
            "features": ["content.code.copy", "navigation.top", "navigation.tracking", "search.highlight"],
            "palette": [
                {
                    "media": f"(prefers-color-scheme: {prefers})",
                    "scheme": scheme,
                    "toggle": {"icon": f"material/{icon}", "name": other},
                }
                for scheme, (prefers, icon, other) in _SCHEMES.items()
            ],
        },
        "markdown_extensions": [
            "tables",
            "attr_list",
            "admonition",
            {"toc": {"permalink": True}},
            "pymdownx.details",
            "pymdownx.superfences",
            "pymdownx.highlight",
        ],
    }
