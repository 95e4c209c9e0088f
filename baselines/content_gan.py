"""Content loss with a conditional GAN beside it: what readers of the paper asked for, not one of its baselines."""

from torch import Tensor, nn

from baselines.pix2pix import ConditionalGAN
from models.objectives import Batch, Content
from models.options import Count, Weight


class ContentGAN(ConditionalGAN):
    """GAN + content loss whose terms are equalised on the first batch so that they sum to `content` there.

    10 is the weight that later systems give feature losses beside a GAN term of weight 1.
    """

    def __init__(self, classes: int, size: tuple[int, int], perceptual: nn.Module, patch_layers: Count = 3,
                 patch_width: Count = 64, content: Weight = 10.0):
        super().__init__(classes, size, patch_layers, patch_width)
        self.content = Content(perceptual, calibrate_at=0, total=content)

    def networks(self) -> dict[str, nn.Module]:
        return self.content.networks()

    def generator_terms(self, batch: Batch, images: Tensor) -> dict[str, Tensor]:
        return {"gan": self.gan_term(batch, images), **self.content.generator_terms(batch, images)}
