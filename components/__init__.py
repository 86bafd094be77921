"""Pulumi components, one per file.

`lambda`, the functions' source root, is no package: the word is a Python keyword. Its packages are therefore found by
path, here as in pytest's and pyright's settings. Components import `orion_common.names` and nothing else of it.
"""

from __future__ import annotations

import sys
from pathlib import Path

_FUNCTIONS = str(Path(__file__).resolve().parents[1] / "lambda")
if _FUNCTIONS not in sys.path:
    sys.path.append(_FUNCTIONS)
