"""Configurations of the library's networks at their smallest, with random weights: nothing is looked for or fetched."""

SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
CONVOLUTIONS = {"conv_dim": [8] * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2}
LARGE = {"feat_extract_norm": "layer", "conv_bias": True, "do_stable_layer_norm": True}  # as "large" weights are
WORDS = {"model_type": "roberta", **SIZES, "vocab_size": 60, "max_position_embeddings": 34, "pad_token_id": 1}


def speech(kind: str = "wav2vec2", **config) -> dict:
    """Return the configuration of a wav2vec2, hubert or wavlm."""
    return {"model_type": kind, **SIZES, **CONVOLUTIONS, **config}
