"""Types of the options that a preset may give to generators and objectives, with their bounds.

baselines.methods.check_options checks a preset's values against them before anything is built.
"""

from typing import Annotated

from pydantic import Field

Count = Annotated[int, Field(ge=1, le=10**5)]
Weight = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
StepOrFraction = Annotated[int, Field(ge=0)] | Annotated[float, Field(gt=0, lt=1)]
