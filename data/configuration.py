"""What a preset may say of the data; the strict base class of all its sections."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, validate_assignment=True)


class DataConfig(Section):
    dataset: str = "street"  # a key of data.DATASETS
    path: str | None = None  # folder of the dataset; None for scenes rendered in code
    size: list[Annotated[int, Field(ge=8)]] = Field([64, 128], min_length=2, max_length=2)  # height, width of pictures
    train: int | None = Field(2000, ge=1)  # number of training pairs (None: all there are)
    val: int | None = Field(500, ge=1)  # number of validation pairs (None: all); Cityscapes has 500
    seed: int = 0  # of scenes rendered in code; apart from the run's seed, so that seeds share their data
