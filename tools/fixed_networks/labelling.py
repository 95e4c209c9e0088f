"""Judge and segmenter: they label photographs at two sizes, and must not collapse on pictures that are nearly ones."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tools.fixed_networks.learning import Pool

LARGE_EVERY = 6  # one batch in six is of large photographs: they are the easier ones


def soften(photo: Tensor) -> Tensor:
    """Mild changes of half of the photographs [B, 3, H, W] in [-1, 1]: contrast, white balance, blur, noise. A judge of
    sharp photographs only sees nothing in a synthesized image."""
    count, device = len(photo), photo.device
    def uniform(low: float, high: float, channels: int = 1) -> Tensor:
        return torch.empty(count, channels, 1, 1, device=device).uniform_(low, high)
    changed = photo * uniform(.75, 1.25) * uniform(.9, 1.1, 3) + uniform(-.15, .15)
    blurred = F.avg_pool2d(F.pad(changed, (1, 1, 1, 1), mode="replicate"), 3, 1)
    changed = torch.lerp(changed, blurred, uniform(-.5, 1.).clamp_min(0))
    changed = changed + torch.randn_like(changed) * uniform(-.06, .08).clamp_min(0)
    return torch.where(uniform(0, 1) < .5, photo, changed)


class Labelling:
    """Cross-entropy and soft Dice of a network on photographs; large photographs in one step of LARGE_EVERY."""

    def __init__(self, network: nn.Module, pools: list[Pool], void: int, batch: int):
        """pools: of growing size."""
        self.network, self.pools, self.void, self.batch = network, pools, void, batch

    def __call__(self, step: int) -> dict[str, Tensor]:
        pool = self.pools[-1 if step % LARGE_EVERY == 0 else 0]
        area = pool.layouts[0].numel() / self.pools[0].layouts[0].numel()
        photos, labels = pool.batch(max(2, round(self.batch / area)))
        pictures = soften(photos[:, 0]).contiguous(memory_format=torch.channels_last)
        logits = self.network(pictures).float()
        return {"cross-entropy": F.cross_entropy(logits, labels, ignore_index=self.void),
                "dice": .5 * dice_loss(logits, labels, self.void)}


def dice_loss(logits: Tensor, labels: Tensor, void: int) -> Tensor:
    """1 - mean over classes of soft Dice on the whole batch; rare classes weigh as much as frequent ones: scalar.

    Classes absent from the batch and void are left out.
    """
    seen = (labels != void).unsqueeze(1)
    share = logits.softmax(1) * seen
    truth = F.one_hot(labels, logits.shape[1]).permute(0, 3, 1, 2).to(share.dtype) * seen
    both, total = (share * truth).sum((0, 2, 3)), (share + truth).sum((0, 2, 3))
    present = truth.sum((0, 2, 3)) > 0
    present[void] = False
    return 1 - (2 * both / total.clamp_min(1))[present].mean()


@torch.no_grad()
def per_class_iou(network: nn.Module, pool: Pool, names: list[str], batch: int = 20) -> dict[str, float]:
    """IoU of every class (void left out) on the pool's photographs, and their mean "mIoU"."""
    classes = len(names)
    counts = torch.zeros(classes, classes, dtype=torch.int64)
    for photos, labels in zip(pool.photos[:, 0].split(batch), pool.layouts.split(batch), strict=True):
        logits = network((photos.float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)).float()
        logits[:, classes - 1] = -torch.inf
        pairs = labels.long() * classes + logits.argmax(1)
        counts += torch.bincount(pairs[labels != classes - 1], minlength=classes**2).cpu().view(classes, classes)
    hit, union = counts.diag(), counts.sum(0) + counts.sum(1) - counts.diag()
    found = {name: round(float(h / u), 4) for name, h, u in zip(names[:-1], hit, union, strict=False) if u > 0}
    return {"mIoU": round(sum(found.values()) / len(found), 4), **found}
