"""Runs the functions that were deployed, from their zips, as Lambda and its event source mappings do.

runtime = FunctionRuntime(endpoint=aws.address, credentials=credentials, clock=clock, journal=journal, directory=folder)
"""

from sandbox.functions.runtime import FunctionRuntime

__all__ = ["FunctionRuntime"]
