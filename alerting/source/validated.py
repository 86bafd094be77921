"""Reads a document as a model, and tells what the model does not allow with file, line and field."""

from __future__ import annotations

from typing import TypeVar, assert_never

from pydantic import BaseModel, ValidationError

from alerting.source.model_errors import Fault, FieldError, field_errors
from alerting.source.problems import CatalogError, Problem
from alerting.source.yaml_source import Document

ModelType = TypeVar("ModelType", bound=BaseModel)


def validated(document: Document, model: type[ModelType]) -> ModelType:
    """Return a document as a model.

    Raises `CatalogError` with everything that the model does not allow.
    """
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        raise CatalogError(_problem(document, each) for each in field_errors(error, model)) from None


def _problem(document: Document, error: FieldError) -> Problem:
    field = str(error.path[-1]) if error.path else "the file"
    match error.fault:
        case Fault.MISSING:
            message = f"found nothing; {error.expected}. Add `{field}:`"
        case Fault.UNKNOWN:
            message = f"found an unknown field; {error.expected}. Remove or rename it"
        case Fault.VALUE:
            message = f"found {error.found}; {error.expected}. {'Add one' if error.add else 'Change it'}"
        case _:
            assert_never(error.fault)
    return Problem(document.place(error.path), message)
