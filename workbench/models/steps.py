"""Steps of time: real ones, which come first, and padding, whose values count for nothing."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from workbench.errors import choose

POOLS = ("convolutions", "dense", "mean", "max")


def spread(x: Tensor, mask: Tensor, n_steps: int) -> Tensor:
    """Take `n_steps` evenly spaced ones of each clip's real steps: (B, T, ...) and (B, T) mask to (B, n_steps, ...).

    A clip of `n_steps` stays as it is, of a longer one steps are left out, of a shorter one repeated.
    """
    last = mask.sum(dim=1, keepdim=True).clamp(min=1) - 1  # (B, 1)
    index = (torch.linspace(0, 1, n_steps, device=x.device) * last).round().long()  # (B, n_steps)
    return x[torch.arange(len(x), device=x.device)[:, None], index]


def on_real(net: nn.Module, x: Tensor, mask: Tensor) -> Tensor:
    """Apply `net`, (N, ...) to (N, D), to the steps of (B, T, ...): (B, T, D).

    In training the net meets the real steps only, so that padding does not sway the statistics of its batch norms,
    and padded steps give zero; otherwise it meets all, whose number an exported graph knows beforehand.
    """
    if not net.training:
        return net(x.flatten(0, 1)).unflatten(0, mask.shape)
    real = net(x[mask])  # (N, D)
    out = real.new_zeros(*mask.shape, real.shape[-1])
    out[mask] = real
    return out


def at_last(x: Tensor, mask: Tensor) -> Tensor:
    """Return what stands at each clip's last real step of (B, T, D): (B, D); zeros for a clip without real steps."""
    n_real = mask.sum(dim=1)[:, None]  # (B, 1)
    index = (n_real - 1).clamp(min=0)[:, :, None].expand(-1, 1, x.shape[-1])
    return x.gather(1, index)[:, 0] * (n_real > 0)


def example_pictures(n_clips: int, n_frames: int, size: int, *, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return random pictures (n_clips, n_frames, size, size, 3) uint8 and their mask, all real."""
    random = torch.Generator().manual_seed(seed)
    x = torch.randint(0, 256, (n_clips, n_frames, size, size, 3), dtype=torch.uint8, generator=random)
    return x, torch.ones(n_clips, n_frames, dtype=torch.bool)


def mean_over(x: Tensor, mask: Tensor) -> Tensor:
    """(B, T, D) and (B, T) mask to (B, D): the mean over real steps; 0 where there is none."""
    return x.float().masked_fill(~mask[..., None], 0).sum(dim=1) / mask.sum(dim=1, keepdim=True).clamp(min=1)


class OverTime(nn.Sequential):
    """What makes one vector of a clip's steps: convolutions, one dense layer, mean or maximum (source 000, chapter 4).

    It sees `n_steps` evenly spaced ones. The convolutions are four, 64, 64, 128, 128, kernel 3, batch norm, ReLU, and
    their mean over time (the code of the source's family).

    Parameters
    ----------
    pool : {'convolutions', 'dense', 'mean', 'max'}
    n_steps, width : int
        Steps, and values of each.
    """

    def __init__(self, pool: str, n_steps: int, width: int):
        layers = []
        if choose("pool", pool, POOLS) == "dense":
            layers = [nn.Flatten(), nn.Linear(width * n_steps, width)]
        for filters in (64, 64, 128, 128) if pool == "convolutions" else ():
            layers += [nn.Conv1d(width, filters, 3, padding="same"), nn.BatchNorm1d(filters), nn.ReLU()]
            width = filters
        super().__init__(*layers)
        self.pool, self.n_steps, self.width = pool, n_steps, width

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, T, D) and (B, T) mask to (B, width)."""
        x, _ = self.steps(x, mask)
        return x.amax(dim=1) if self.pool == "max" else x.mean(dim=1)

    def steps(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The same to what is pooled, (B, n_steps, width), one step where dense, and which are real."""
        real = mask.any(dim=1, keepdim=True)  # (B, 1)
        x = super().forward(spread(x, mask, self.n_steps).transpose(1, 2))  # (B, width, n_steps), or (B, width)
        if self.pool == "dense":
            return x[:, None], real
        return x.transpose(1, 2), real.expand(-1, self.n_steps)
