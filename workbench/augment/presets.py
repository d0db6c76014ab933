"""What the five published systems used, as data: name -> (source, settings).

Where a source gives no value, the usual one is assumed and said so. `copies` is a training setting, not one of these.
"""

FACES = [
    {
        "name": "affine",
        "mirror": 0.5,
        "crop": [0, 0.1],
        "scale": [0.9, 1.1],
        "shift": [-0.1, 0.1],
        "rotation": [-25, 25],
        "shear": [-8, 8],
    },
    {"name": "blur", "sigma": [0, 0.5], "p": 0.5},
    {"name": "contrast", "alpha": [0.75, 1.5]},
    {"name": "picture_noise", "sd": 25},
]

PRESETS: dict[str, tuple[str, list[dict]]] = {
    "awgn": (
        "source 002, section 3.2: white Gaussian noise at 15 to 30 dB; with `copies: 2` every clip stands three times",
        [{"name": "noise", "snr": [15, 30]}],
    ),
    "stretch_pitch": (
        "source 002, Table 3-4, row 7: stretch by 0.5 or 1.5, or pitch +2 semitones; with `copies: 3`. Whether 0.5 "
        "means half the speed (as in librosa, assumed) or half the duration is not said",
        [
            {
                "name": "one_of",
                "options": [
                    {"name": "stretch", "rate": 0.5},
                    {"name": "stretch", "rate": 1.5},
                    {"name": "pitch", "semitones": 2},
                ],
            }
        ],
    ),
    "combined": (
        "source 003: noise, pitch, stretch, gain, polarity, randomly combined. Ranges and p = 0.5 are assumed",
        [
            {"name": "noise", "snr": [15, 30], "p": 0.5},
            {"name": "pitch", "semitones": [-2, 2], "p": 0.5},
            {"name": "stretch", "rate": [0.8, 1.25], "p": 0.5},
            {"name": "gain", "db": [-6, 6], "p": 0.5},
            {"name": "polarity", "p": 0.5},
        ],
    ),
    "faces_va": (
        "source 004, section 4.2.2: image augmentation, the same factors for all pictures of a clip (VA). The source "
        "applies the operations in random order; here the order is fixed, so that geometry takes one warp",
        FACES,
    ),
    "faces_ia": (
        "source 004, Table 5.4: the same, independent factors for each picture (IA)",
        [settings | {"each": "image"} for settings in FACES],
    ),
    "mrpn": (
        "source 004, section 5.3: VA with random time slicing of both signals (T). Overlapping audio segments (AO) "
        "belong to the recipe `mrpn`",
        [{"name": "slice", "share": [0.7, 1.0]}, *FACES],
    ),
    "light": (
        "source 001: pitch shift and random crops. Ranges are assumed",
        [{"name": "pitch", "semitones": [-2, 2]}, {"name": "affine", "crop": [0, 0.1]}],
    ),
}
