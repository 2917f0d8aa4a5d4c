"""Writes the golden weights of Keras 2, which Keras 3 writes no more; see README.md."""

import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
os.environ["TF_USE_LEGACY_KERAS"] = "1"

import numpy as np
import tf_keras as keras
from checkpoint_contents import keras_weights


def make_weights(directory):
    expected = keras_weights()
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(2, name="dense")])
    model.compile(keras.optimizers.legacy.SGD(0.5, momentum=0.9), "mse")
    model.layers[0].set_weights([expected["kernel"], expected["bias"]])
    # What the model gives is what is wanted, so that the step changes nothing and leaves slots of zeros.
    model.fit(np.zeros((1, 3)), expected["bias"][None], verbose=0)
    model.save_weights(f"{directory}/keras_weights", save_format="tf")
    os.remove(f"{directory}/checkpoint")


if __name__ == "__main__":
    golden = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__)))
    os.makedirs(f"{golden}/checkpoints", exist_ok=True)
    make_weights(f"{golden}/checkpoints")
