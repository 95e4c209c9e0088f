"""The metric "similarity": PSNR and SSIM against the photograph of the same layout.

Image-space loss optimises them: an average of all possible cars scores better than any one car, and looks worse. They
must not be used to decide which method is more realistic.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from evaluation.cache.measurements import ImageBatch
from evaluation.metrics.base import Metric, ScoreKind
from evaluation.metrics.work import Work
from evaluation.run_directory import PHOTOS, Quantity
from evaluation.statistics.intervals import Statistic

WARNING = "image-space loss optimises PSNR and SSIM, and a blurred average scores well on them"
LUMA = np.array([0.299, 0.587, 0.114])  # Rec. 601
SIGMA, RADIUS = 1.5, 5  # Wang et al. 2004: an 11 x 11 Gaussian window
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def psnr(image: np.ndarray, photo: np.ndarray) -> np.ndarray:
    """Peak signal-to-noise ratio in dB of uint8 [N, 3, H, W], over all channels: [N].

    Equal images count as differing in one value by one level, the least that 8 bits can: infinity has no mean.
    """
    error = np.square(image.astype(np.float64) - photo).mean(axis=(1, 2, 3))
    return 10 * np.log10(255**2 / np.maximum(error, 1 / image[0].size))


def ssim(image: np.ndarray, photo: np.ndarray) -> np.ndarray:
    """Structural similarity of the luminance, Wang et al. 2004, over windows inside the image: [N], at most 1."""
    x, y = (np.einsum("nchw,c->nhw", a.astype(np.float64), LUMA) for a in (image, photo))

    def mean(a: np.ndarray) -> np.ndarray:
        blurred = gaussian_filter(a, SIGMA, radius=RADIUS, axes=(1, 2))
        return blurred[:, RADIUS:-RADIUS, RADIUS:-RADIUS]

    mx, my = mean(x), mean(y)
    vx, vy, cov = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
    local = (2 * mx * my + C1) * (2 * cov + C2) / ((mx * mx + my * my + C1) * (vx + vy + C2))
    return local.mean(axis=(1, 2))


@dataclass(frozen=True)
class SimilarityConsumer:
    """Measures {"PSNR": float64 [B], "SSIM": float64 [B]} of each layout's first image."""

    name: str = "similarity"
    key: str = "PSNR RGB, SSIM luminance 11x11 Gaussian"
    against_photos: bool = True

    def __call__(self, batch: ImageBatch) -> dict[str, np.ndarray]:
        image, photo = batch.images[:, 0].numpy(), batch.photos.numpy()
        return {"PSNR": psnr(image, photo), "SSIM": ssim(image, photo)}


class SimilarityMetric(Metric):
    """PSNR and SSIM of every method; the photographs would be compared with themselves."""

    name, title = "similarity", "Similarity to the photograph, not realism"
    scores = {"PSNR": ScoreKind("PSNR"), "SSIM": ScoreKind("SSIM")}

    def consumers(self, work: Work) -> list[SimilarityConsumer]:
        return [SimilarityConsumer()]

    def provenance(self, work: Work) -> dict[str, str]:
        return {"warning": WARNING, "PSNR": "dB, over RGB; equal images as if one value differed by one level",
                "SSIM": "luminance (Rec. 601), 11x11 Gaussian window",
                "compared with": "the photograph of the same layout; first image of a method that makes several"}

    def statistics(self, work: Work, method: str) -> dict[Quantity, Statistic]:
        if method == PHOTOS:
            return {}
        measured = work.measurements.get(method, SimilarityConsumer())
        return {Quantity(name): Statistic.of_images(numbers) for name, numbers in measured.items()}


METRIC = SimilarityMetric()
