"""The registry of encoders, and `build`, which makes a model from settings that stand in a YAML file."""

from __future__ import annotations

from collections.abc import Mapping

from workbench.classifiers import CLASSICAL
from workbench.errors import WorkbenchError, choose
from workbench.fusion.neural import (
    Alone,
    Bilinear,
    Concatenation,
    Dense,
    Fusion,
    Gated,
    LowRank,
    ModalityDropout,
    Mrpn,
    Plain,
    Scores,
    SideBranches,
)
from workbench.models import classical
from workbench.models.audio import Cnn1d, RawCnnLstm
from workbench.models.base import Encoder, Model, Scoring
from workbench.models.convlstm import ConvLstm
from workbench.models.crossmodal import CrossAttention
from workbench.models.efficientface import EfficientFace
from workbench.models.geometry import ActionUnitNet, LandmarkNet
from workbench.models.image import ImageCnn1, ImageCnn2, ImageCnn3, VggFace
from workbench.models.mfcc import MfccCnn, NamedFeatures
from workbench.models.mmer import Mmer
from workbench.models.precomputed import Embeddings
from workbench.models.pretrained import PretrainedSpeech
from workbench.models.resnet import ResNet3d
from workbench.models.sequence import ResNetFrames, ResNetSegments
from workbench.models.spectral import Cnn2d, CnnTransformer, ParallelCnnLstm, StackedCnnLstm
from workbench.models.streams import FaceStream, SceneStream, SoundStream
from workbench.models.text import Roberta
from workbench.models.vgg import VggPicture
from workbench.models.video import Lrcn
from workbench.models.yamnet import Yamnet

ENCODERS: dict[str, type[Encoder]] = {
    "action_units": ActionUnitNet,
    "cnn1d": Cnn1d,
    "cnn2d": Cnn2d,
    "cnn_transformer": CnnTransformer,
    "convlstm": ConvLstm,
    "efficientface": EfficientFace,
    "embeddings": Embeddings,
    "fp68": LandmarkNet,
    "image_cnn1": ImageCnn1,
    "image_cnn2": ImageCnn2,
    "image_cnn3": ImageCnn3,
    "lrcn": Lrcn,
    "mfcc_cnn": MfccCnn,
    "named_features": NamedFeatures,
    "parallel_cnn_lstm": ParallelCnnLstm,
    "pretrained": PretrainedSpeech,
    "raw_cnn_lstm": RawCnnLstm,
    "resnet3d": ResNet3d,
    "resnet_frames": ResNetFrames,
    "resnet_segments": ResNetSegments,
    "roberta": Roberta,
    "stacked_cnn_lstm": StackedCnnLstm,
    "stream_face": FaceStream,
    "stream_scene": SceneStream,
    "stream_sound": SoundStream,
    "vgg_face": VggFace,
    "vgg_picture": VggPicture,
    "yamnet": Yamnet,
}
FUSIONS: dict[str, type[Fusion]] = {
    "bilinear": Bilinear,
    "concatenation": Concatenation,
    "cross_attention": CrossAttention,
    "dense": Dense,
    "gated": Gated,
    "low_rank": LowRank,
    "mmer": Mmer,
    "n1": SideBranches,
    "n2": Mrpn,
    "plain": Plain,
    "scores": Scores,
}


def named(kind: str, settings: Mapping, choices: Mapping):
    """Call the entry of `choices` that `settings["name"]` names, with the other settings.

    Raises
    ------
    WorkbenchError
        For an unknown name, or a setting that the entry does not take; the error names it.
    """
    options = dict(settings)
    make = choices[choose(kind, options.pop("name", ""), choices)]
    try:
        return make(**options)
    except TypeError as error:
        raise WorkbenchError(f"{kind} {settings['name']!r} with settings {options}: {error}") from None


def arrays_of(settings: Mapping) -> list[str]:
    """Return the names of the arrays that a model of these settings (`encoders` or `classical`) reads, each once."""
    read = [name for one in settings.get("classical", {}).values() for name in classical.inputs(one)]
    for one in settings.get("encoders", {}).values():
        encoder = ENCODERS[choose("encoder", one.get("name", ""), ENCODERS)]
        read.append(one.get("inputs", encoder.inputs))
    return list(dict.fromkeys(read))


def build(encoders: Mapping[str, Mapping], n_classes: int, *, fusion: Mapping | None = None) -> Model:
    """Make a model.

    Parameters
    ----------
    encoders : mapping of modality to settings
        Such as ``{"audio": {"name": "cnn1d", "kernel_size": 12}}``.
    n_classes : int
    fusion : mapping, optional
        Such as ``{"name": "concatenation"}``; needed with several encoders. With ``"modality_dropout": {"probability":
        0.2, "fill": "zeros"}`` among the settings, training clips lose modalities (`ModalityDropout`). A model of one
        modality has a linear head, a fused one that of its fusion.

    Raises
    ------
    WorkbenchError
        For an unknown name or setting, an encoder of another modality, several encoders without a fusion.
    """
    built = {modality: named("encoder", settings, ENCODERS) for modality, settings in encoders.items()}
    for modality, encoder in built.items():
        if encoder.modality != modality:
            raise WorkbenchError(f"encoder {encoders[modality]['name']!r} is for {encoder.modality}, not {modality}")
    widths = [encoder.width for encoder in built.values()]
    if fusion is None:
        if len(built) != 1:
            raise WorkbenchError(f"{len(built)} encoders need a fusion: choose from {', '.join(FUSIONS)}")
        joined, dropout = Alone(widths, n_classes), None
    else:
        settings = dict(fusion)
        dropout = modality_dropout(settings.pop("modality_dropout", None))
        joined = named("fusion", {"widths": widths, "n_classes": n_classes, **settings}, FUSIONS)
    return Model(built, joined, joined.head(), dropout=dropout)


def modality_dropout(settings: Mapping | None) -> ModalityDropout | None:
    """Return modality dropout with these settings, if any."""
    if settings is None:
        return None
    try:
        return ModalityDropout(**settings)
    except TypeError as error:
        raise WorkbenchError(f"modality dropout with settings {settings}: {error}") from None


__all__ = ["CLASSICAL", "ENCODERS", "FUSIONS", "Encoder", "Model", "Scoring", "arrays_of", "build"]
