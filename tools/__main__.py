"""`python -m tools [NAME ...]`: find or build the named external binaries (`sandbox`: all of its own), or every one."""

from __future__ import annotations

import sys

from rich.console import Console

from tools.build import BuildFailed, build_all


def main() -> int:
    """Make the tools and return the exit code."""
    console = Console(highlight=False, soft_wrap=True)
    names = sys.argv[1:]
    try:
        folder = build_all(console, names)
    except BuildFailed as failure:
        console.print(f"[red]tools:[/red] {failure}")
        return 1
    except KeyboardInterrupt:
        console.print("tools: interrupted; what was built is kept, and the next run goes on")
        return 130
    console.print(f"tools: {', '.join(names) or 'all'} in {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
