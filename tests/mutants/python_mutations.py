"""Mutates the Python of the generator of objectives: what decides which rules there are, and with which figures.

The libraries for this (mutmut, cosmic-ray) know Python only: PromQL is text to them. What a generator gets wrong is
mostly in its PromQL, of which the mutants of the generated rules are made. What is left are these few operators.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from alerting.source.durations import milliseconds, written_long
from tests.alerting_data import ROOT
from tests.mutants.mutant import Kind, Mutant
from tests.mutants.promql_mutations import moved

MODULES = (
    "alerting.rules.burn_rates",
    "alerting.rules.sources.objective_alerts",
    "alerting.rules.sources.objective_budgets",
    "alerting.rules.sources.objective_events",
    "alerting.rules.sources.objective_windows",
    "alerting.rules.sources.objectives",
)
_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
}
_DURATION = re.compile(r"\d+[smhd]")


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonMutant(Mutant):
    """The source of a module after the change."""

    module: str
    source: str


def python_mutants() -> Iterator[PythonMutant]:
    """Yield the mutants of the generator's modules."""
    for module in MODULES:
        path = ROOT / f"{module.replace('.', '/')}.py"
        tree = ast.parse(path.read_text(encoding="utf-8"))
        seen: dict[str, int] = {}
        for node in ast.walk(tree):
            for change, replacement in _replacements(node):
                mutated = _mutated(tree, node, replacement)
                line = getattr(node, "lineno", 0)
                where = f"{path.name} {_holder(tree, line)}"
                count = seen[f"{where}: {change}"] = seen.get(f"{where}: {change}", 0) + 1
                name = change if count == 1 else f"{change} (no. {count})"
                yield PythonMutant(kind=Kind.GENERATOR, where=where, change=name, module=module, source=mutated)


def _holder(tree: ast.Module, line: int) -> str:
    """Return the function or class at the top of a module that holds a line."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.lineno <= line <= (node.end_lineno or line):
            return node.name
    return "(module)"


def _mutated(tree: ast.Module, node: ast.AST, replacement: ast.AST) -> str:
    """Return a module's source with a node replaced. The tree is as it was afterwards."""
    parent, name = next(
        (parent, name)
        for parent in ast.walk(tree)
        for name, value in ast.iter_fields(parent)
        if value is node or (isinstance(value, list) and any(one is node for one in value))
    )
    value = getattr(parent, name)
    setattr(
        parent, name, [replacement if one is node else one for one in value] if isinstance(value, list) else replacement
    )
    mutated = ast.unparse(tree)
    setattr(parent, name, value)
    return mutated


def _replacements(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    match node:
        case ast.Compare() | ast.BinOp() | ast.BoolOp():
            yield from _operators(node)
        case ast.IfExp(test=test, body=body, orelse=orelse):
            for other in (body, orelse):
                yield f"`{ast.unparse(test)}` does not matter: always `{ast.unparse(other)}`", other
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield f"`{ast.unparse(node)}` becomes `{ast.unparse(operand)}`", operand
        case ast.Expr(value=ast.Yield() | ast.YieldFrom()):
            first = ast.unparse(node).splitlines()[0][:60]
            yield f"`{first}` is dropped", ast.Expr(value=ast.Tuple(elts=[], ctx=ast.Load()))
        case ast.Constant(value=value) if isinstance(value, int | float) and not isinstance(value, bool):
            for number in moved(float(value)):
                yield f"`{value}` becomes `{number}`", ast.Constant(value=type(value)(float(number)))
        case ast.Constant(value=str(value)) if _DURATION.fullmatch(value):
            doubled = written_long(milliseconds(value) * 2)
            yield f"`{value}` becomes `{doubled}`", ast.Constant(value=doubled)
        case _:
            pass


def _operators(node: ast.Compare | ast.BinOp | ast.BoolOp) -> Iterator[tuple[str, ast.AST]]:
    match node:
        case ast.Compare(left=left, ops=[operator], comparators=comparators) if type(operator) in _COMPARISONS:
            other = _COMPARISONS[type(operator)]()
            changed = ast.Compare(left=left, ops=[other], comparators=comparators)
            yield f"`{ast.unparse(node)}` becomes `{ast.unparse(changed)}`", changed
        case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _OPERATORS:
            changed = ast.BinOp(left=left, op=_OPERATORS[type(operator)](), right=right)
            yield f"`{ast.unparse(node)}` becomes `{ast.unparse(changed)}`", changed
        case ast.BoolOp(op=operator, values=values):
            changed = ast.BoolOp(op=ast.Or() if isinstance(operator, ast.And) else ast.And(), values=values)
            yield f"`{ast.unparse(node)}` becomes `{ast.unparse(changed)}`", changed
        case _:
            pass
