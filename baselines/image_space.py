"""Image-space loss (Eq. 4): a generator trained with L1 on RGB alone; the paper's baseline has CRN's architecture."""

from torch import Tensor

from models.losses import IMAGE, image_space_loss
from models.objectives import Batch, Objective


class ImageSpace(Objective):
    """Mean L1 distance in RGB, pictures in [-1, 1]."""

    def generator_terms(self, batch: Batch, images: Tensor) -> dict[str, Tensor]:
        return {IMAGE: image_space_loss(batch.photo, images[:, 0])}
