"""The weights of trials: where they are kept, and how a training goes on from them."""
