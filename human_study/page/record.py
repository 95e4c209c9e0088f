"""What the page may say of one trial, with types and ranges as in the table of responses."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from human_study.responses.columns import COLUMNS

TYPES = {"integer": int, "number": float, "boolean": bool}


class Said(BaseModel):
    """Anything that a page sends: plain values of the right type, nothing unknown, no infinity."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


Measured: type[Said] = create_model("Measured", __base__=Said, **{
    column.name: ((Literal[column.values] if column.values else TYPES[column.kind]) | None,
                  Field(None, ge=column.minimum, le=column.maximum))
    for column in COLUMNS if column.measured})
MEASURED = tuple(Measured.model_fields)
