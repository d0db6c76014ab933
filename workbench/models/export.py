"""Models as ONNX files, for devices without PyTorch: whole clips for any model that exports, steps for streams.

Any number of clips, but as many steps of time as in the example: a shorter clip is padded, and its mask says so. Needs
the packages onnx and onnxscript, and onnxruntime to run what was written.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from workbench.errors import WorkbenchError
from workbench.models.base import Model
from workbench.models.streams import Streaming


class _Clip(nn.Module):
    """A model's logits alone."""

    def __init__(self, model: Model):
        super().__init__()
        self.model = model

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        return self.model(batch)["logits"]


class _Step(nn.Module):
    """A step of streams whose inputs are whole pieces, so that the state is the LSTMs' alone."""

    def __init__(self, model: Model):
        super().__init__()
        self.streaming = Streaming(model)

    def forward(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        encoders = self.streaming.model.encoders
        state = {
            name: (batch[f"{name}_output"], batch[f"{name}_cell"], encoder.start(batch[encoder.inputs])[2])
            for name, encoder in encoders.items()
        }
        logits, state = self.streaming(state, batch)
        return logits, *(x for name in encoders for x in state[name][:2])


def clip_to_onnx(model: Model, batch: Mapping[str, Tensor], path: Path | str) -> Path:
    """Write a model of whole clips: inputs named as in `batch` (arrays and masks), output `logits` (B, C)."""
    names = [part for encoder in model.encoders.values() for part in (encoder.inputs, f"{encoder.inputs}_mask")]
    return _write(_Clip(model), {name: batch[name] for name in names if name in batch}, ["logits"], path)


def step_to_onnx(model: Model, inputs: Mapping[str, Tensor], path: Path | str) -> Path:
    """Write one step of a model of streams (see `Streaming`), for inputs of the length of these.

    Its inputs are the arrays by their names and, for each modality, `<modality>_output` and `<modality>_cell`
    (B, hidden), zeros at first; its outputs `logits` (B, C) and `<modality>_output_next`, `<modality>_cell_next` for
    the next call.

    Raises
    ------
    WorkbenchError
        If an input is missing or is not whole pieces, such as sound that is no multiple of its window.
    """
    streaming = Streaming(model)
    for encoder in model.encoders.values():
        if encoder.inputs not in inputs:
            raise WorkbenchError(f"no {encoder.inputs}: expected all of {', '.join(model.inputs)}")
        if encoder.cut(inputs[encoder.inputs])[1].shape[1]:
            raise WorkbenchError(f"{inputs[encoder.inputs].shape[1]} steps of {encoder.inputs} are not whole pieces")
    _, state = streaming.step({}, inputs)
    carried = {
        f"{name}_{part}": x for name in state for part, x in zip(("output", "cell"), state[name][:2], strict=True)
    }
    batch = {name: inputs[name] for name in model.inputs} | carried
    return _write(_Step(model), batch, ["logits", *(f"{name}_next" for name in carried)], path)


def _write(module: nn.Module, batch: dict[str, Tensor], outputs: Sequence[str], path: Path | str) -> Path:
    """Write `module`, which takes one dictionary, as an ONNX file whose inputs have the dictionary's names."""
    missing = [name for name in ("onnx", "onnxscript") if importlib.util.find_spec(name) is None]
    if missing:
        raise WorkbenchError(f"ONNX needs {' and '.join(missing)}: pip install 'workbench[onnx]'")
    clips = torch.export.Dim("clips", min=1)
    shapes = ({name: {0: clips} for name in batch},)
    with torch.no_grad():
        program = torch.export.export(module.eval(), (batch,), dynamic_shapes=shapes)
        written = torch.onnx.export(
            program, dynamo=True, verbose=False, input_names=list(batch), output_names=list(outputs)
        )
    written.save(path)
    return Path(path)
