"""Tunes a training loop in JAX by ask and tell: it reports each epoch, and stops early if the server asks for it.

pip install 'dodona[server]' jax scikit-learn
dodona serve                  # in another terminal
python examples/jax_loop.py   # as often as you like: all share the study "jax-loop"
"""

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import dodona

EPOCHS = 10
SPACE = {
    "units": dodona.Int(16, 128, scale="log"),
    "learning_rate": dodona.Float(1e-3, 1.0, scale="log"),
    "weight_decay": dodona.Float(1e-6, 1e-2, scale="log"),
    "batch_size": dodona.Discrete([32, 64, 128]),
}


def predict(weights, x):
    """Return the logits of a network with one hidden layer."""
    return jax.nn.relu(x @ weights["hidden"] + weights["bias"]) @ weights["out"]


def loss(weights, x, y, decay):
    """Return the cross-entropy, with a penalty for large weights."""
    penalty = sum(jnp.sum(part**2) for part in weights.values())
    return -jnp.mean(jax.nn.log_softmax(predict(weights, x))[jnp.arange(len(y)), y]) + decay * penalty


@jax.jit
def step(weights, x, y, rate, decay):
    """Return the weights after a step of gradient descent."""
    gradients = jax.grad(loss)(weights, x, y, decay)
    return jax.tree.map(lambda weight, gradient: weight - rate * gradient, weights, gradients)


def train(trial, data):
    """Train for some epochs, and complete the trial with the best accuracy."""
    x, x_test, y, y_test = data
    units, size = trial.parameters["units"], int(trial.parameters["batch_size"])
    hidden, out = jax.random.split(jax.random.key(trial.number))
    weights = {
        "hidden": jax.random.normal(hidden, (64, units)) / 8,
        "bias": jnp.zeros(units),
        "out": jax.random.normal(out, (units, 10)) / units**0.5,
    }
    best = 0.0
    for epoch in range(1, EPOCHS + 1):
        order = np.random.default_rng(epoch).permutation(len(x))
        for start in range(0, len(x) - size + 1, size):
            batch = order[start : start + size]
            weights = step(
                weights, x[batch], y[batch], trial.parameters["learning_rate"], trial.parameters["weight_decay"]
            )
        accuracy = float(jnp.mean(predict(weights, x_test).argmax(axis=1) == y_test))
        best = max(best, accuracy)
        trial.report(accuracy, step=epoch)
        if trial.should_stop:
            break
    trial.complete(best)


def main():
    """Run trials until the study has 6."""
    digits = load_digits()
    data = train_test_split(digits.data / 16, digits.target, random_state=0)
    with dodona.Client() as client:
        study = client.create_study(
            "jax-loop", SPACE, goal="maximize", metric="accuracy", max_trials=6, early_stopping="median", seed=0
        )
        study.optimize(lambda trial: train(trial, data))
        print(study.best_trial)


if __name__ == "__main__":
    main()
