"""What a model costs: weights, and multiply-adds for a given input."""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count


def cost(module: nn.Module, x: Tensor, mask: Tensor | None = None) -> tuple[int, int]:
    """Count the parameters of a module, and the multiply-adds of one forward pass in evaluation mode.

    Multiply-adds of convolutions, dense layers, attention and recurrent layers are counted, over the whole batch and
    all steps (padding as well); those of normalisations, activations and pooling are not, being a thousandth. The
    module has to be on the CPU, or on the `meta` device, where nothing is computed and counting takes no time.

    Parameters
    ----------
    module : nn.Module
        Called as ``module(x, mask)``, or ``module(x)`` without a mask.
    x, mask : Tensor
        Such as an encoder's ``example(1)``.

    Returns
    -------
    parameters, multiply_adds : int
    """
    aten = torch.ops.aten
    unknown = {aten.mkldnn_rnn_layer: _lstm, aten._scaled_dot_product_flash_attention_for_cpu: _attention}
    was_training, was_fast = module.training, torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # one fused operation, of which the counter knows nothing
    try:
        with torch.no_grad(), FlopCounterMode(display=False, custom_mapping=unknown) as counter:
            module.eval()(*((x,) if mask is None else (x, mask)))
    finally:
        torch.backends.mha.set_fastpath_enabled(was_fast)
        module.train(was_training)
    return sum(parameter.numel() for parameter in module.parameters()), counter.get_total_flops() // 2


def _lstm(x, input_weights, hidden_weights, *others, **options) -> int:
    """Operations of an LSTM layer on a CPU; shapes (T, B, channels), (gates, channels), (gates, width)."""
    return 2 * x[0] * x[1] * (prod(input_weights) + prod(hidden_weights))


def _attention(query, key, value, *others, **options) -> int:
    """Operations of attention on a CPU; shapes (B, heads, T, channels)."""
    return sdpa_flop_count(query, key, value)
