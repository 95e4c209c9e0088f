"""A network from outside as a judge: its preprocessing, and its classes mapped to the run's.

Classes of the network that mean nothing here are left out before the argmax, so a judge never answers void.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
import torch.nn.functional as functional

from data.errors import InputError
from evaluation.networks.resize import normalized, resize


class MappedJudge:
    """A network with its preprocessing and its classes mapped to the run's.

    network: float32 [N, 3, h, w] -> logits [N, M, h', w']. mapping: class of the network -> class index of the run.
    mean, std: of RGB divided by `scale`. size: (height, width) the network sees; None: as the images are.
    weight_tensors: gives those of the network and of its file, for the check of leaks. batch: images that pass the
    network at once; None: all of them.
    """

    alone = True  # not to be called by several threads at once: what the network keeps is unknown

    def __init__(self, network: Callable[[torch.Tensor], torch.Tensor], mapping: Mapping[int, int], name: str,
                 digest: str, mean: Sequence[float], std: Sequence[float], scale: float = 255.0,
                 size: tuple[int, int] | None = None, filter_name: str = "antialias-bilinear", device: str = "cpu",
                 *, weight_tensors: Callable[[], Iterable[torch.Tensor]], batch: int | None = None):
        self.network, self.device, self.size, self.batch = network, device, size, batch
        self.weight_tensors = weight_tensors
        self.mean, self.std, self.scale = mean, std, scale
        self.resize = filter_name if size else "none"
        self.columns = torch.tensor(sorted(mapping), device=device)
        self.classes = torch.tensor([mapping[i] for i in sorted(mapping)], dtype=torch.uint8, device=device)
        self.provenance = {"name": name, "sha256": digest, "input size": list(size) if size else "as the images",
                         "resize": self.resize, "mean": list(mean), "std": list(std), "scale": scale,
                         "logits": "bilinear to the size of the layout, then argmax",
                         "label mapping": {str(i): int(mapping[i]) for i in sorted(mapping)}}

    @torch.inference_mode()
    def predict(self, images: torch.Tensor) -> torch.Tensor:
        """uint8 [N, 3, H, W] -> uint8 [N, H, W] class indices of the run."""
        return torch.cat([self._predict(part) for part in images.split(self.batch or len(images))])

    def _predict(self, images: torch.Tensor) -> torch.Tensor:
        resized = resize(images.to(self.device), self.resize, self.size)
        logits = self.network(normalized(resized, self.mean, self.std, self.scale))
        if logits.ndim != 4 or logits.shape[1] <= int(self.columns.max()):
            raise InputError(f"judge {self.provenance['name']}: gave {list(logits.shape)}, expected logits [N, "
                             f"classes, h, w] with more than {int(self.columns.max())} classes")
        full = functional.interpolate(logits[:, self.columns].float(), images.shape[-2:], mode="bilinear",
                                      align_corners=False)
        return self.classes[full.argmax(dim=1)].cpu()
