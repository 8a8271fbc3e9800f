"""What a run records: the names that a claim may speak of. No torch, so that a misspelt metric is refused when declared."""

from __future__ import annotations

from dlgbench.errors import unknown
from dlgbench.recipe import Recipe

TASKS = {  # what each task measures on a split beside its loss
    "classification": {"error": "share of the {split} split that is misclassified"},
    "regression": {
        "mse": "mean squared error over the {split} split",
        "r2": "coefficient of determination on the {split} split",
    },
    "image_to_image": {
        "mse": "mean squared error per pixel and channel over the {split} split",
        "psnr": "peak signal-to-noise ratio on the {split} split, in dB, for images in [0, 1]",
    },
    "segmentation": {
        "error": "share of the {split} split's labelled pixels that is misclassified",
        "miou": "mean intersection over union on the {split} split",
    },
    "minimization": {"distance": "distance from the minimizer"},
}
SPLITS = {
    "train": ("training", "after training"),
    "val": ("validation", "after the last step"),
    "test": ("test", "read once after the last step"),
}
SECONDS = {"seconds": "wall time of the optimizer steps and the evaluations between them"}
ALWAYS = {"parameters": "number of trainable parameters"}
TARGET = {
    "steps_to_target": "first evaluation at which the target was met, in steps; censored at the budget"
}
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
        "receptive_field": "side of the input patch that a unit of the last feature map depends on, by gradient, in pixels",
        "receptive_field/arithmetic": "the same by arithmetic: r + (k - 1) * dilation * jump, layer by layer",
        "receptive_field/stride": "pixels of the input between two neighbours of the last feature map; 1 is full resolution",
    },
    "effective_field": {
        "effective_field": "side of a square of as many pixels as have a gradient above 4.55 % of the largest, after training",
        "effective_field/share": "effective_field over the receptive field by arithmetic",
        "effective_field/picture": "rows and columns of the picture effective_field/map",
    },
    "dead_units": {
        "dead_units": "share of the hidden units that are 0 for every row of the probe batch, after training",
        "dead_units/worst": "the same of the layer with the most",
    },
    "weight_norms": {
        "weight_norms/total": "l2 norm of all layers' weights, without biases and normalization, after training"
    },
    "response_sd": {
        "response_sd": "standard deviation of a layer's response before activation and addition, mean over the hidden layers, after training"
    },
    "gradient_noise": {
        "gradient_noise/slope": "slope of log SD of a minibatch's gradient on log of its size, from 8 to 128 rows, before training",
        "gradient_noise/sd_8": "SD of the gradient of a minibatch of 8 rows, before training",
    },
    "flops": {
        "flops": "floating-point operations of one example's forward pass, two for a multiply-add; convolutions and matrix products alone"
    },
    "memory": {
        "memory/parameters": "bytes of the parameters",
        "memory/saved": "bytes that a training step keeps for its backward pass, beside the parameters, for each row of the batch",
    },
    "checkerboard": {
        "checkerboard": "share of the output images' power that repeats every two pixels, after training",
        "checkerboard/ratio": "the same over that of the target images",
    },
    "filters": {
        "filters/count": "first layer's filters in the curve filters/weights",
        "filters/channels": "channels of each",
        "filters/side": "rows and columns of each channel",
        "filters/roughness": "mean squared difference of neighbouring weights over their variance, after training: 2 for white noise, near 0 if smooth",
    },
    "predictions": {
        "predictions/count": "images of the test split in the curves predictions/input, predictions/label and predictions/class",
        "predictions/height": "rows of each",
        "predictions/width": "columns of each",
    },
    "updates": {
        "updates/lr": "learning rate of the last step",
        "updates/norm": "l2 norm of the last change of the weights between two evaluations, for each step in between",
        "updates/relative": "the same over the l2 norm of all weights",
        "updates/weights": "l2 norm of all weights, after training",
        "updates/detour": "length of the weights' path, from evaluation to evaluation, over the distance of its ends: 1 is a straight line",
    },
    "boundary": {
        "boundary/low": "left and lower edge of the square that is drawn",
        "boundary/high": "its right and upper edge",
    },
    "warp": {
        "warp/low": "left and lower edge of the square that is drawn",
        "warp/high": "its right and upper edge",
        "warp/units": "units of the last hidden layer",
    },
    "fit": {
        "fit/points": "training points that the curve was fitted to",
        "fit/swing": "largest |prediction| on [-1, 1], after training",
    },
    "by_hand": {
        "by_hand/unit": "relative error of the gradients of the toy sigmoidal unit by hand, against automatic differentiation",
        "by_hand/linear_input": "the same of a linear layer, to its input",
        "by_hand/linear_weight": "the same of a linear layer, to its weights",
        "by_hand/cross_entropy": "the same of softmax cross-entropy",
        "by_hand/one_output": "a sabotage: the gradient of the input without the sum over the outputs c",
        "by_hand/without_sum": "a sabotage: the gradient of the weights without the sum over the examples",
        "by_hand/not_transposed": "a sabotage: the gradient of the input with the weights not transposed",
    },
    "averaging": {
        "averaging/once": "test error of one deterministic pass",
        "averaging/unscaled": "the same without the scaling of the weights",
        "averaging/k1": "test error of one thinned network",
        "averaging/k50": "test error of the mean over 50 thinned networks",
        "averaging/k100": "test error of the mean over 100 thinned networks",
    },
    "lighting": {
        "lighting/drop": "largest rise of the test error under I -> a I + b, six (a, b) with a > 0",
        "lighting/clipped": "rise of the test error under 2 I - 1/4, clipped to [0, 1]",
        "lighting/negative": "test error under 1 - I",
    },
    "perfect": {"perfect": "1 where no point of the test split is misclassified, else 0"},
    "linear_probes": {
        "hierarchy/first": "accuracy of a linear classifier on the first hidden layer",
        "hierarchy/last": "accuracy of a linear classifier on the last hidden layer",
        "hierarchy/rise": "the difference of the two",
    },
    "exemplars": {
        "exemplars/layers": "hidden layers in the curves exemplars/top and exemplars/nearest",
        "exemplars/units": "units of each in exemplars/top",
        "exemplars/images": "images of the test split for each unit, and for each query",
        "exemplars/queries": "images of the test split in exemplars/query",
        "exemplars/side": "rows and columns of each image",
    },
    "minima": {
        "minima/gap": "difference of the test errors of two nets trained from two starts, without its sign",
        "minima/disagreement": "share of the test split that the two put into different classes",
        "minima/barrier": "largest height of the test loss on the straight line between their weights, above the line that joins its ends",
    },
    "drift": {
        "drift/mean": "change of a unit's mean input between two evaluations, in its standard deviations, averaged",
        "drift/sd": "change of the logarithm of a unit's standard deviation between two evaluations, averaged",
    },
}
# A diverged run has the worst rank under these: it never got there.
SMALLER_IS_BETTER = ("/error", "/loss", "/mse", "/distance", "steps_to_target")
LARGER_IS_BETTER = ("/r2", "/psnr", "/miou")


def trained(task: str) -> dict[str, str]:
    """The figures of a training by the name `split/metric`.

    Raises:
        DlgbenchError: for an unknown task.
    """
    if task not in TASKS:
        raise unknown("task", task, TASKS)
    figures = {"loss": "mean loss over the {split} split"} | TASKS[task]
    return {
        f"{split}/{name}": f"{text.format(split=word)}, {moment}"
        for split, (word, moment) in SPLITS.items()
        for name, text in figures.items()
    }


def curves(task: str) -> tuple[str, ...]:
    """The metrics that a target may be set for: smaller is better, and they have a learning curve."""
    return (
        "train/loss",
        *(
            name
            for name in trained(task)
            if name.startswith("val/") and name.endswith(SMALLER_IS_BETTER)
        ),
    )


def recorded(recipe: Recipe) -> dict[str, str]:
    """The metrics that a run of `recipe` records, with what each one is.

    Raises:
        DlgbenchError: for an unknown task or probe, or a target for a metric that has no learning curve.
    """
    for metric in recipe.target:
        if metric not in curves(recipe.task):
            raise unknown("metric for a target", metric, curves(recipe.task))
    names = dict(ALWAYS)
    if recipe.steps:
        names |= trained(recipe.task) | SECONDS | (TARGET if recipe.target else {})
    for probe in recipe.probes:
        if probe not in PROBES:
            raise unknown("probe", probe, PROBES)
        names |= PROBES[probe]
    return names
