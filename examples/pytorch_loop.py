"""Tunes a training loop in PyTorch by ask and tell: it reports each epoch, resumes, and stops early if it should.

pip install 'dodona[server]' torch scikit-learn
dodona serve                      # in another terminal
python examples/pytorch_loop.py   # as often as you like: all share the study "pytorch-loop"
"""

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import dodona

EPOCHS = 10
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
SPACE = {
    "units": dodona.Int(16, 128, scale="log"),
    "dropout": dodona.Float(0.0, 0.5),
    "optimizer": dodona.Categorical(
        ["adam", "sgd"],
        children={"sgd": {"momentum": dodona.Float(0.0, 0.99)}},
    ),
    "learning_rate": dodona.Float(1e-4, 1e-1, scale="log"),
    "batch_size": dodona.Discrete([32, 64, 128]),
}


def model_of(parameters):
    """Return a network with one hidden layer."""
    units = parameters["units"]
    return nn.Sequential(nn.Linear(64, units), nn.ReLU(), nn.Dropout(parameters["dropout"]), nn.Linear(units, 10))


def optimizer_of(model, parameters):
    """Return the optimizer; momentum is there only for SGD."""
    rate = parameters["learning_rate"]
    if parameters["optimizer"] == "sgd":
        return torch.optim.SGD(model.parameters(), rate, momentum=parameters["momentum"])
    return torch.optim.Adam(model.parameters(), rate)


def train(trial, train_data, test_data):
    """Train from the last checkpoint of the trial, if another worker had begun it, and complete the trial."""
    model = model_of(trial.parameters).to(DEVICE)
    optimizer = optimizer_of(model, trial.parameters)
    loss_of = nn.CrossEntropyLoss()
    began = 0
    if trial.checkpoint:
        state = torch.load(trial.artifacts.load(trial.checkpoint, "state.pt"), weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        began = state["epoch"]
    for epoch in range(began + 1, EPOCHS + 1):
        model.train()
        for x, y in DataLoader(train_data, int(trial.parameters["batch_size"]), shuffle=True):
            optimizer.zero_grad()
            loss_of(model(x.to(DEVICE)), y.to(DEVICE)).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            x, y = test_data.tensors
            accuracy = (model(x.to(DEVICE)).argmax(dim=1).cpu() == y).float().mean().item()
        state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}
        torch.save(state, "state.pt")
        trial.artifacts.save("state.pt", "state.pt")
        trial.report(accuracy, step=epoch, checkpoint="state.pt")
        if trial.should_stop:
            break
    trial.complete(accuracy)


def main():
    """Run trials until the study has 6."""
    digits = load_digits()
    parts = train_test_split(digits.data / 16, digits.target, random_state=0)
    x, x_test = (torch.tensor(part, dtype=torch.float32) for part in parts[:2])
    y, y_test = (torch.tensor(part) for part in parts[2:])
    train_data, test_data = TensorDataset(x, y), TensorDataset(x_test, y_test)
    with dodona.Client() as client:
        study = client.create_study(
            "pytorch-loop", SPACE, goal="maximize", metric="accuracy", max_trials=6, early_stopping="median"
        )
        study.optimize(lambda trial: train(trial, train_data, test_data))
        print(study.best_trial)


if __name__ == "__main__":
    main()
