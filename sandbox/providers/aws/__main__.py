"""Be the `aws` provider for the engine that started this process: `python -m sandbox.providers.aws ENGINE`."""

from __future__ import annotations

from sandbox.providers.aws.table import table
from sandbox.providers.provider_server import serve

if __name__ == "__main__":
    serve(table())
