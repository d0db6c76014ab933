"""The list of all models: what each reads, what it weighs and costs, where it comes from."""

from __future__ import annotations

from collections.abc import Iterator

from workbench.models import CLASSICAL, ENCODERS
from workbench.models.cost import cost

# What an encoder cannot be made without, in the usual size. Weights are random: nothing is looked for or fetched.
USUAL = {
    "pretrained": {"config": {"model_type": "wav2vec2"}},
    "roberta": {"config": {"model_type": "roberta"}},
}


def encoders() -> Iterator[dict]:
    """Yield a row an encoder, with its defaults.

    `name, kind` (encoder), `modality, inputs, width, parameters, multiply_adds, source`: `parameters` counts all
    weights, `multiply_adds` those of one clip of the usual length (`Encoder.example`).
    """
    for name, kind in sorted(ENCODERS.items(), key=lambda item: (item[1].modality, item[0])):
        encoder = kind(**USUAL.get(name, {}))
        parameters, multiply_adds = cost(encoder, *encoder.example(1))
        yield {
            "name": name,
            "kind": "encoder",
            "modality": encoder.modality,
            "inputs": encoder.inputs,
            "width": encoder.width,
            "parameters": parameters,
            "multiply_adds": multiply_adds,
            "source": encoder.source,
        }


def classifiers() -> Iterator[dict]:
    """Yield a row a classical classifier, as `encoders` does; its size is that of what it was trained on, so None."""
    unknown = dict.fromkeys(("width", "parameters", "multiply_adds"))
    for name, entry in CLASSICAL.items():
        row = {"name": name, "kind": "classifier", "modality": "any", "inputs": "any"}
        yield {**row, **unknown, "source": entry.source}
