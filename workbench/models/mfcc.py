"""Encoders of source 003: small CNNs on MFCC pictures, and the named features that stand beside them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torchaudio.functional import compute_deltas

from workbench.models.audio import centre
from workbench.models.base import Encoder
from workbench.models.frontends import example_steps, normalise


class MfccCnn(Encoder):
    """The CNN of source 003 on MFCC pictures of 40 x 290, alone or, with `dual`, two side by side.

    Conv 5x15, ReLU, max-pool (2, 4), dropout; conv 3x9, ReLU, max-pool (2, 4), dropout; flatten; dense. Published,
    SAVEE, seven classes: CNN .505, dual CNN .422, CNN and other features .552. The last is this encoder and
    `NamedFeatures` under a concatenation. The source trains with early stopping, weight regularisation (the
    `weight_decay` of training) and kernel constraints (`max_norm`).

    The source gives the number of layers, kernels and input. Assumed: 32 and 64 filters, pooling, dropout .3, 64 dense
    units, a constraint of 3 on each filter's norm; that the dual CNN's second half reads the coefficients' changes
    (deltas over 9 steps), which are among the source's features; each coefficient standardised by the training clips; a
    clip centred in the window.

    Parameters
    ----------
    n_mfcc, n_steps : int
        Coefficients and steps of the window.
    filters, dropout, dense : of the convolutions; after each; units of the dense layer of each CNN.
    max_norm : float, optional
        Largest Euclidean norm of the weights of one filter or unit; None for no constraint.
    dual : bool
    """

    modality, inputs, source = "audio", "mfcc", "003, audio experiments"

    def __init__(
        self,
        *,
        n_mfcc: int = 40,
        n_steps: int = 290,
        filters: Sequence[int] = (32, 64),
        dropout: float = 0.3,
        dense: int = 64,
        max_norm: float | None = 3.0,
        dual: bool = False,
    ):
        super().__init__()
        self.n_mfcc, self.n_steps = n_mfcc, n_steps
        self.scaler = nn.BatchNorm1d(n_mfcc, affine=False)
        self.cnns = nn.ModuleList(self._cnn(filters, dropout, dense, max_norm) for _ in range(1 + dual))
        self.width = dense * len(self.cnns)

    def _cnn(self, filters: Sequence[int], dropout: float, dense: int, max_norm: float | None) -> nn.Sequential:
        layers, channels = [], 1
        for width, kernel in zip(filters, ((5, 15), (3, 9)), strict=True):
            layers += [nn.Conv2d(channels, width, kernel, padding="same"), nn.ReLU()]
            layers += [nn.MaxPool2d((2, 4)), nn.Dropout(dropout)]
            channels = width
        size = channels * (self.n_mfcc // 4) * (self.n_steps // 16)
        cnn = nn.Sequential(*layers, nn.Flatten(), nn.Linear(size, dense), nn.ReLU())
        for layer in cnn:
            if max_norm is not None and hasattr(layer, "weight"):
                parametrize.register_parametrization(layer, "weight", MaxNorm(max_norm))
        return cnn

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, T, n_mfcc) coefficients and (B, T) mask to (B, D)."""
        x = normalise(self.scaler, x, mask).transpose(1, 2)  # (B, n_mfcc, T)
        x = centre(x, mask.sum(dim=1), self.n_steps)  # (B, n_mfcc, n_steps)
        pictures = [x, compute_deltas(x, win_length=9)][: len(self.cnns)]
        return torch.cat([cnn(picture[:, None]) for cnn, picture in zip(self.cnns, pictures, strict=True)], dim=1)

    def example(self, n_clips: int = 2, seed: int = 0) -> tuple[Tensor, Tensor]:
        """Return a random input: (B, n_steps, n_mfcc) and its mask."""
        return example_steps(n_clips, self.n_steps, self.n_mfcc, seed)


class MaxNorm(nn.Module):
    """Keep the Euclidean norm of each filter or unit of a layer's weights (O, ...) at `limit` or below."""

    def __init__(self, limit: float):
        super().__init__()
        self.limit = limit

    def forward(self, weight: Tensor) -> Tensor:
        """(O, ...) as trained to (O, ...) as used."""
        norm = weight.flatten(1).norm(dim=1).clamp(min=self.limit)  # (O,)
        return weight * (self.limit / norm).view(-1, *[1] * (weight.dim() - 1))


class NamedFeatures(Encoder):
    """The "other features" of source 003's "CNN + others": a vector of named features a clip, standardised, dense.

    The source names some 40 features, summarised to one value each, of which 16 are left after pruning by correlation
    (`acoustics.table` and `acoustics.pruning`). It is an encoder of its own, so that with `MfccCnn` and a concatenation
    it makes the source's model, .552 on SAVEE. Assumed: 32 units, ReLU, dropout .3. A feature that is missing (NaN: the
    pitch of a clip without voice) stands at its training mean.

    Parameters
    ----------
    n_features, dense, dropout : features; units; rate after them.
    input_dropout : float
        Share of the features left out at random in training; 0 in the source.
    batch_norm : bool
        Batch norm before the ReLU; not in the source.
    """

    modality, inputs, source = "features", "features", "003, audio experiments"

    def __init__(
        self,
        *,
        n_features: int = 16,
        dense: int = 32,
        dropout: float = 0.3,
        input_dropout: float = 0.0,
        batch_norm: bool = False,
    ):
        super().__init__()
        self.scaler = nn.BatchNorm1d(n_features, affine=False)
        layers = [nn.Dropout(input_dropout), nn.Linear(n_features, dense)]
        layers += [*([nn.BatchNorm1d(dense)] if batch_norm else []), nn.ReLU(), nn.Dropout(dropout)]
        self.dense = nn.Sequential(*layers)
        self.n_features, self.width = n_features, dense

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, T, n_features), T being 1 but for padding, and (B, T) mask to (B, dense)."""
        x = torch.where(x.isnan(), self.scaler.running_mean, x)  # (B, T, n_features)
        return self.dense(normalise(self.scaler, x, mask)[:, 0])

    def example(self, n_clips: int = 2, seed: int = 0) -> tuple[Tensor, Tensor]:
        """Return random features, (B, 1, n_features), and their mask."""
        return example_steps(n_clips, 1, self.n_features, seed)
