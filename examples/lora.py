"""Fine-tunes a KerasHub text classifier with LoRA, and tunes how: rank, alpha, learning rate, and which layers.

dodona serve             # in another terminal
python examples/lora.py  # as often as you like: all share the study "lora"

The model is tiny and made here, so that the example runs anywhere. To fine-tune a pretrained one, replace `backbone` by
`keras_hub.models.Backbone.from_preset("bert_tiny_en_uncased")` and the data by your own.
"""

import keras
import keras_hub
import numpy as np

from dodona.keras import CloudTuner

WORDS, LENGTH, LAYERS = 64, 12, 2
EPOCHS = 3


def backbone():
    """The same weights in each trial: those of a "pretrained" model."""
    keras.utils.set_random_seed(7)
    return keras_hub.models.BertBackbone(
        vocabulary_size=WORDS,
        num_layers=LAYERS,
        num_heads=2,
        hidden_dim=32,
        intermediate_dim=64,
        max_sequence_length=LENGTH,
        dropout=0.0,
    )


def texts(count, seed):
    """Texts as tokens; a text is positive if most of its words are of the first half of the vocabulary."""
    chance = np.random.default_rng(seed)
    labels = chance.integers(0, 2, count)
    first_half = chance.random((count, LENGTH)) < np.where(labels == 1, 0.85, 0.15)[:, None]
    tokens = chance.integers(1, WORDS // 2, (count, LENGTH)) + np.where(first_half, 0, WORDS // 2)
    inputs = {
        "token_ids": tokens,
        "segment_ids": np.zeros_like(tokens),
        "padding_mask": np.ones_like(tokens),
    }
    return inputs, labels


def adapted(hp):
    """The backbone, of whose weights only the adapters of some layers are trained."""
    model = backbone()
    model.trainable = False
    rank = hp.Choice("rank", [2, 4, 8, 16], default=8)
    # The usual choice is twice the rank: tune the ratio, and not alpha, which depends on the rank.
    alpha = rank * hp.Choice("alpha_by_rank", [0.5, 1.0, 2.0, 4.0], default=2.0)
    parts = {
        "query and value": ("query", "value"),
        "attention": ("query", "key", "value", "attention_output"),
    }[hp.Choice("layers", ["query and value", "attention"])]
    # `model.enable_lora(rank, parts)` of KerasHub does the same, with alpha equal to the rank.
    for layer in model._flatten_layers(include_self=False):  # noqa: SLF001 - Keras has no public way to all layers
        if layer.name in parts and isinstance(layer, keras.layers.EinsumDense):
            layer.trainable = True
            layer.enable_lora(rank, lora_alpha=alpha)
    return model


def build(hp):
    """A classifier on the adapted backbone."""
    model = adapted(hp)
    score = keras.layers.Dense(1, activation="sigmoid")(model.output["pooled_output"])
    classifier = keras.Model(model.input, score)
    rate = hp.Float("learning_rate", 1e-4, 1e-1, sampling="log", default=3e-2)
    classifier.compile(keras.optimizers.Adam(rate), "binary_crossentropy", metrics=["accuracy"])
    return classifier


if __name__ == "__main__":
    tuner = CloudTuner(build, objective="val_accuracy", max_trials=4, study_id="lora", directory="models")
    tuner.search(*texts(512, seed=0), batch_size=32, epochs=EPOCHS, validation_data=texts(256, seed=1))
    tuner.results_summary(1)
