"""What a run records: the names that a claim may speak of. No torch, so that a misspelt metric is refused when declared."""

from __future__ import annotations

from dlgbench.recipe import Recipe

TRAINED = {
    "train/loss": "mean loss over the training split, after training",
    "train/error": "share of the training split that is misclassified, after training",
    "val/loss": "mean loss over the validation split, after the last step",
    "val/error": "share of the validation split that is misclassified, after the last step",
    "test/loss": "mean loss over the test split, read once after the last step",
    "test/error": "share of the test split that is misclassified, read once after the last step",
    "seconds": "wall time of the optimizer steps and the evaluations between them",
}
ALWAYS = {"parameters": "number of trainable parameters"}
CURVES = ("train/loss", "val/loss", "val/error")  # what a target may be set for
TARGET = {"steps_to_target": "first evaluation at which the target was met, in steps; censored at the budget"}
PROBES = {
    "gradients": {
        "gradient/first": "l2 norm of the loss gradient of the first layer's weight, before training",
        "gradient/last": "l2 norm of the loss gradient of the last hidden layer's weight, before training",
        "gradient/log10_ratio": "log10 of gradient/first over gradient/last",
    },
    "activations": {
        "activation/first_sd": "standard deviation of the first layer's pre-activations, before training",
        "activation/last_sd": "standard deviation of the last hidden layer's pre-activations, before training",
    },
    "receptive_field": {
        "receptive_field": "side of the input patch that an output unit depends on, by gradient, in pixels",
        "receptive_field/arithmetic": "the same by arithmetic: r + (k - 1) * dilation * jump, layer by layer",
        "receptive_field/stride": "pixels of the input between two neighbours of the output; 1 is full resolution",
    },
}
# A diverged run has the worst rank under these: smaller is better, and it never got there.
SMALLER_IS_BETTER = ("/error", "/loss", "steps_to_target")


def recorded(recipe: Recipe) -> dict[str, str]:
    """The metrics that a run of `recipe` records, with what each one is."""
    names = dict(ALWAYS)
    if recipe.steps:
        names |= TRAINED | (TARGET if recipe.target else {})
    for probe in recipe.probes:
        names |= PROBES.get(probe, {})
    return names
