"""What a preset may say of the data; the strict base class of all its sections."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Seed = Annotated[int, Field(ge=0, lt=1 << 32)]  # what every random generator takes
Side = Annotated[int, Field(ge=8, le=1 << 14)]
Images = Annotated[int, Field(ge=1, le=10**10)]  # a number of them that a counter and a float hold exactly


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, validate_assignment=True, allow_inf_nan=False)


class DataConfig(Section):
    dataset: str = "street"  # a key of data.DATASETS
    path: str | None = None  # folder of the dataset; None for scenes rendered in code
    size: list[Side] = Field([64, 128], min_length=2, max_length=2)  # height, width of pictures
    train: Images | None = 2000  # number of training pairs (None: all there are)
    val: Images | None = 500  # number of validation pairs (None: all); Cityscapes has 500
    seed: Seed = 0  # of scenes rendered in code; apart from the run's seed, so that seeds share their data
