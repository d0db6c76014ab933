"""ConvLSTM: an LSTM whose cell is a small picture."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.errors import choose
from workbench.models.base import Encoder
from workbench.models.steps import example_pictures, spread
from workbench.models.video import standardise


def hard_sigmoid(x: Tensor) -> Tensor:
    """Keras 2's piecewise linear sigmoid, which is steeper than PyTorch's."""
    return (0.2 * x + 0.5).clamp(0, 1)


GATES = {"hard_sigmoid": hard_sigmoid, "sigmoid": torch.sigmoid}


class ConvLstm2d(nn.Module):
    """Keras's ConvLSTM2D layer that returns all steps: (B, T, C, H, W) to (B, T, filters, H - k + 1, W - k + 1).

    The input is convolved without padding ("valid") and with a bias, the state with zeros around it ("same") and
    without; gates in the order input, forget, cell, output; tanh. Starts as Keras's do: Glorot for the input,
    orthogonal for the state, bias 1 on the forget gate. It has 4 filters (k k C + k k filters + 1) weights.

    Parameters
    ----------
    gate : {'hard_sigmoid', 'sigmoid'}
        Keras 2 has 0.2 x + 0.5 between 0 and 1, Keras 3 the sigmoid.
    linear : bool
        Leave the tanh out (Keras's ``activation=None``), for one that stands behind the layer.
    """

    def __init__(
        self,
        channels: int,
        filters: int,
        kernel_size: int = 3,
        *,
        gate: str = "hard_sigmoid",
        linear: bool = False,
    ):
        super().__init__()
        self.gate, self.act = GATES[choose("gate", gate, GATES)], nn.Identity() if linear else nn.Tanh()
        self.of_input = nn.Conv2d(channels, 4 * filters, kernel_size)
        self.of_state = nn.Conv2d(filters, 4 * filters, kernel_size, padding="same", bias=False)
        nn.init.xavier_uniform_(self.of_input.weight)
        nn.init.orthogonal_(self.of_state.weight)
        nn.init.zeros_(self.of_input.bias)
        nn.init.ones_(self.of_input.bias[filters : 2 * filters])

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C, H, W) to (B, T, filters, H', W')."""
        from_input = self.of_input(x.flatten(0, 1)).unflatten(0, x.shape[:2])  # (B, T, 4 filters, H', W')
        cell = torch.zeros_like(from_input[:, 0].chunk(4, dim=1)[0])  # (B, filters, H', W')
        state, states = cell, []
        for now in from_input.unbind(1):
            enter, forget, new, leave = (now + self.of_state(state)).chunk(4, dim=1)
            cell = self.gate(forget) * cell + self.gate(enter) * self.act(new)
            state = self.gate(leave) * self.act(cell)
            states.append(state)
        return torch.stack(states, dim=1)


class ConvLstm(Encoder):
    """ConvLSTM of source 002, sections 4.3.2 and 4.4: four ConvLSTM2D layers on 30 face crops, all steps flattened.

    Filters 4, 8, 14, 16, kernel 3, each followed by max-pool 2 in space (what does not fill a field counts too, Keras's
    "same") and, but for the last, dropout .2; flatten, 4320 values of 30 frames of 64 x 64. The one dense layer is the
    model's head. The defaults are the final form, with batch norm (Table 4-2, row 4.3; published 84.54 % on six classes
    of RAVDESS speech and song, random split, 94.44 % on SAVEE); ``batch_norm=False`` is the original (74.80 %, SAVEE
    91.67 %; Figure 4-15: 58,926 weights with six classes: 1024, 3488, 11144, 17344, 25926, here as many).

    Assumptions: gates are Keras 2's, whose report the figure shows; frames are "normalised" as in `Lrcn`; batch norm
    follows each pooling, for row 4.2 (before the activation) did worse; in that, the cells are linear, and the tanh
    follows the batch norm; a clip of more or fewer frames gives evenly spaced ones.

    Parameters
    ----------
    n_frames, size : int
        Frames of a clip; their side in pixels.
    filters, kernel_size, batch_norm, gate : as above.
    dropout : sequence of float
        Of all layers but the last.
    norm_before : bool
        Batch norm stands before the activation (Table 4-2, row 4.2).
    """

    modality, inputs = "video", "frames"
    source = "002, sections 4.3.2 and 4.4, Figure 4-15 and Table 4-2"

    def __init__(
        self,
        *,
        n_frames: int = 30,
        size: int = 64,
        filters: Sequence[int] = (4, 8, 14, 16),
        kernel_size: int = 3,
        dropout: Sequence[float] = (0.2, 0.2, 0.2),
        batch_norm: bool = True,
        norm_before: bool = False,
        gate: str = "hard_sigmoid",
    ):
        super().__init__()
        self.n_frames, self.size, self.norm_before = n_frames, size, norm_before
        channels, cell = (3, *filters), partial(ConvLstm2d, kernel_size=kernel_size, gate=gate, linear=norm_before)
        self.cells = nn.ModuleList(cell(before, after) for before, after in pairwise(channels))
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) if batch_norm else nn.Identity() for width in filters)
        self.dropouts = nn.ModuleList(nn.Dropout(rate) for rate in (*dropout, 0.0))
        side = size
        for _ in filters:
            side = -(-(side - kernel_size + 1) // 2)
        self.width = n_frames * side * side * channels[-1]

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, T, size, size, 3) uint8 RGB frames and (B, T) mask to (B, n_frames side side filters)."""
        x = spread(x, mask, self.n_frames)  # (B, n_frames, size, size, 3)
        x = standardise(x, mask.new_ones(x.shape[:2])).permute(0, 1, 4, 2, 3)  # (B, n_frames, 3, size, size)
        for cell, norm, dropout in zip(self.cells, self.norms, self.dropouts, strict=True):
            x = cell(x)  # (B, n_frames, filters, H, W)
            shape, x = x.shape[:2], x.flatten(0, 1)
            x = norm(x).tanh() if self.norm_before else x
            x = F.max_pool2d(x, 2, ceil_mode=True)
            x = x if self.norm_before else norm(x)
            x = dropout(x.unflatten(0, shape))
        return x.flatten(1)  # (B, 4320)

    def example(self, n_clips: int = 2, seed: int = 0) -> tuple[Tensor, Tensor]:
        """Return random frames and their mask."""
        return example_pictures(n_clips, self.n_frames, self.size, seed=seed)
