"""Training of the perceptual network: it learns what all photographs of a layout share and no average of them has.

On every tap, per cell: which classes are there (presence, not position), and whether the cell is a piece of one
photograph or something else (see `degrade`). And the property a content loss needs, directly: another draw of the same
layout is nearer in the features than an average of draws, and than another layout; on cars and trees, another paint
than a colour that none has. Nothing regresses colours: features that reproduce them prefer averages.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from models.known_truth import OTHERS, compare, content_distances
from models.perceptual import PerceptualNet
from tools.fixed_networks.degrade import average, degrade
from tools.fixed_networks.learning import Pool

LARGE_EVERY = 6  # one batch in six is of large photographs
MARGINS = {"conv1_2": .25, "conv2_2": .5, "conv3_2": .8, "conv4_2": 1., "conv5_2": 1.}  # of log distances
GREY_LEVEL = 1 / 127.5
SLOPE = .25  # width of the ranking's soft hinge in log distance


class Perceiver(nn.Module):
    """A perceptual pyramid with what it needs for learning only: batch norm after every convolution, and two linear
    heads per tap, for presence of classes and plausibility."""

    def __init__(self, net: PerceptualNet, classes: int):
        super().__init__()
        self.net = net
        for key, conv in net.features.items():
            net.features[key] = nn.Sequential(conv, nn.BatchNorm2d(conv.out_channels))
        self.presence = nn.ModuleDict({tap: nn.Conv2d(d, classes, 1) for tap, d in net.channels.items()})
        self.plausible = nn.ModuleDict({tap: nn.Conv2d(d, 1, 1) for tap, d in net.channels.items()})

    def forward(self, pictures: Tensor) -> dict[str, Tensor]:
        return self.net(pictures)

    @torch.no_grad()
    def match_norms(self, pictures: Tensor) -> None:
        """Set scale and shift of every norm to what its convolution gives for these pictures, so that a pyramid whose
        norms were folded away computes what it did."""
        def set_norm(norm: nn.BatchNorm2d, inputs: tuple[Tensor]) -> None:
            values = inputs[0].float().transpose(0, 1).flatten(1)
            norm.weight.copy_((values.var(1, correction=0) + norm.eps).sqrt())
            norm.bias.copy_(values.mean(1))
        hooks = [norm.register_forward_pre_hook(set_norm) for _, norm in self.net.features.values()]
        self.net(pictures)
        for hook in hooks:
            hook.remove()

    def core(self) -> PerceptualNet:
        """The pyramid alone, its batch norms folded into the convolutions. Ends this trainee's use."""
        for key, (conv, norm) in self.net.features.items():
            self.net.features[key] = fuse_conv_bn_eval(conv.eval(), norm.eval())
        return self.net


class Perceiving:
    """Loss terms of a Perceiver on layouts with several draws each."""

    def __init__(self, network: Perceiver, pools: list[Pool], classes: int, repainted: list[int], batch: int,
                 margin: float = 1.):
        """repainted: indices of the classes whose colours the last photograph of every layout has wrong. margin: factor
        of MARGINS."""
        self.network, self.pools, self.classes, self.repainted = network, pools, classes, repainted
        self.batch, self.margin = batch, margin

    def __call__(self, step: int) -> dict[str, Tensor]:
        pool = self.pools[-1 if step % LARGE_EVERY == 0 else 0]
        area = pool.layouts[0].numel() / self.pools[0].layouts[0].numel()
        photos, labels = pool.batch(max(2, round(self.batch / area)))
        photos, repainted = photos[:, :-1], photos[:, -1]
        photos = photos[:, torch.randperm(photos.shape[1]).to(photos.device)]
        photo, draw, others = photos[:, 0], photos[:, 1], photos[:, 2:]
        with torch.autocast(photo.device.type, enabled=False):  # rounding must not give a picture away
            blurred = average(others, least=min(3, others.shape[1]))
            spoilt, where = degrade(draw, others, labels, self.classes)
            pictures = torch.cat([photo, draw, blurred, spoilt, repainted])
            pictures = pictures + torch.empty_like(pictures).uniform_(-GREY_LEVEL, GREY_LEVEL)
        features = self.network(pictures.contiguous(memory_format=torch.channels_last))
        zero = torch.zeros_like(where)
        painted = [(labels == i).unsqueeze(1).to(photo.dtype) for i in self.repainted]
        changed = torch.cat([zero, zero, zero + 1, where, sum(painted)])
        masks = F.one_hot(labels, self.classes).permute(0, 3, 1, 2).to(photo.dtype)
        return {"presence": self._presence(features, masks), "plausible": self._plausible(features, changed),
                "ranking": self._ranking(features), "paint": sum(self._paint(features, part) for part in painted)}

    def _presence(self, features: dict[str, Tensor], masks: Tensor) -> Tensor:
        """On both real draws: which classes are under a cell."""
        losses = []
        for tap, head in self.network.presence.items():
            target = F.adaptive_max_pool2d(masks, features[tap].shape[-2:]).repeat(2, 1, 1, 1)
            logits = head(features[tap][: len(target)]).float()
            losses.append(F.binary_cross_entropy_with_logits(logits, target))
        return 2 * torch.stack(losses).mean()

    def _plausible(self, features: dict[str, Tensor], changed: Tensor) -> Tensor:
        """Cells that are neither quite real nor quite degraded count as much as they are."""
        losses = []
        for tap, head in self.network.plausible.items():
            target = F.adaptive_avg_pool2d(changed, features[tap].shape[-2:])
            losses.append(F.binary_cross_entropy_with_logits(head(features[tap]).float(), target))
        return torch.stack(losses).mean()

    def _ranking(self, features: dict[str, Tensor]) -> Tensor:
        """log d(photo, draw) + margin < log d(photo, average), and < log d(photo, another layout)."""
        losses = []
        for tap, margin in MARGINS.items():
            margin *= self.margin
            photo, draw, blurred, _, _ = features[tap].float().chunk(5)
            near = _log_distance(photo, draw)
            for far in (blurred, draw.roll(1, 0)):
                losses.append(SLOPE * F.softplus((near - _log_distance(photo, far) + margin) / SLOPE).mean())
        return torch.stack(losses).mean()

    def _paint(self, features: dict[str, Tensor], part: Tensor) -> Tensor:
        """On the cells of a class: log d(photo, draw) + margin < log d(photo, repainted). Cars of another paint are
        nearer than cars of no paint."""
        losses, there = [], (part.flatten(1).sum(1) > 0).to(part.dtype)
        for tap, margin in MARGINS.items():
            photo, draw, _, _, repainted = features[tap].float().chunk(5)
            where = F.adaptive_avg_pool2d(part, photo.shape[-2:])
            gap = _log_distance(photo, draw, where) - _log_distance(photo, repainted, where)
            losses.append((there * SLOPE * F.softplus((gap + self.margin * margin) / SLOPE)).mean())
        return torch.stack(losses).mean()


def _log_distance(a: Tensor, b: Tensor, weight: Tensor | None = None) -> Tensor:
    """[B] from features [B, d, h, w]; weight: of the cells, [B, 1, h, w]."""
    gaps = (a - b).abs().mean(1, keepdim=True).flatten(1)
    weights = torch.ones_like(gaps) if weight is None else weight.flatten(1)
    return ((gaps * weights).sum(1) / weights.sum(1).clamp_min(1e-6) + 1e-6).log()


def known_truth(net: PerceptualNet, pool: Pool) -> dict[str, dict[str, float]]:
    """The table of models.known_truth on a pool with 2 + 11 draws per layout."""
    means = pool.photos[:, 2 : 2 + OTHERS].float().mean(1).round()
    rows = (pool.photos[:, 0].float(), pool.photos[:, 1].float(), means)
    return compare(content_distances(net), *(row / 127.5 - 1 for row in rows))
