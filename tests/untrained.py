"""A finished run of small networks with the weights that they began with, for what only needs answers."""

import numpy as np
import pandas as pd
import torch
from safetensors.torch import save_file

from workbench import recipes, runs
from workbench.models import build
from workbench.studies import results

CLASSES = ["neutral", "happy", "sad"]
ENCODERS = {
    "audio": {"audio": {"name": "cnn1d", "filters": [8, 8], "dropout": [0, 0]}},
    "video": {"video": {"name": "lrcn", "kernel_size": 3, "filters": [4, 4, 8, 8], "hidden": 8}},
}


def untrained(folder, modality, *, encoders=None, recipe=None, **changes):
    """Return a finished run of a small network with the weights that it began with."""
    encoders = encoders or ENCODERS.get(modality) or ENCODERS["audio"] | ENCODERS["video"]
    fusion = {"name": "concatenation"} if len(encoders) > 1 else None
    recipe = recipe or recipes.load("benha", n_frames=4)
    params = {"study": "thread", "variant": modality, "corpus": "demo", "protocol": "speaker-disjoint", "fold": "fold1"}
    params |= {"seed": 0, "modality": modality, "classes": CLASSES, "recipe": recipe.values(), "encoders": encoders}
    run = runs.make(params | {"fusion": fusion} | changes, root=folder)
    torch.manual_seed(0)
    run.begin()
    save_file(build(encoders, len(CLASSES), fusion=fusion).state_dict(), run.folder / "model.safetensors")
    clips = pd.DataFrame(
        {"clip": list("abcdef"), "speaker": list("xxyyzz"), "emotion": CLASSES * 2, "sex": "", "take": ""}
    )
    run.finish(results.predictions(run, clips, np.full((6, 3), 0.2) + 0.4 * np.eye(3)[[0, 1, 1] * 2], "test"))
    return run
