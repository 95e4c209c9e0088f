"""The record of one trial that the page sends, with types and ranges as in the table of responses."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from human_study.responses.columns import COLUMNS

TYPES = {"integer": int, "number": float, "boolean": bool}


class PageMessage(BaseModel):
    """A message of the page: plain values of the right type, no unknown ones, no infinity."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


Measured: type[PageMessage] = create_model("Measured", __base__=PageMessage, **{
    column.name: ((Literal[column.values] if column.values else TYPES[column.kind]) | None,
                  Field(None, ge=column.minimum, le=column.maximum))
    for column in COLUMNS if column.measured})
MEASURED = tuple(Measured.model_fields)
