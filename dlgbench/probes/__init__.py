"""What is measured beside loss and error: the suite's own probes. No torch.

A probe gets a copy of the network, or observes the training as a callback, and never changes the
training. Each one is declared here alone, with its moment, where its measure is, and its metrics.
"""

from dlgbench.registry import register_probe

register_probe(
    "gradients",
    when="start",
    metrics={
        "gradient/first": "l2 norm of the loss gradient of the first layer's weight, before "
        "training",
        "gradient/last": "l2 norm of the loss gradient of the last hidden layer's weight, before "
        "training",
        "gradient/log10_ratio": "log10 of gradient/first over gradient/last",
    },
)("dlgbench.probes.signals:gradients")
register_probe(
    "activations",
    when="start",
    metrics={
        "activation/first_sd": "standard deviation of the first layer's pre-activations, before "
        "training",
        "activation/last_sd": "standard deviation of the last hidden layer's pre-activations, "
        "before training",
    },
)("dlgbench.probes.signals:activations")
register_probe(
    "receptive_field",
    when="start",
    metrics={
        "receptive_field": "side of the input patch that a unit of the last feature map depends "
        "on, by gradient, in pixels",
        "receptive_field/arithmetic": "the same by arithmetic: r + (k - 1) * dilation * jump, "
        "layer by layer",
        "receptive_field/stride": "pixels of the input between two neighbours of the last feature "
        "map; 1 is full resolution",
    },
)("dlgbench.probes.receptive_field:measure")
register_probe(
    "gradient_noise",
    when="start",
    metrics={
        "gradient_noise/slope": "slope of log SD of a minibatch's gradient on log of its size, "
        "from 8 to 128 rows, before training",
        "gradient_noise/sd_8": "SD of the gradient of a minibatch of 8 rows, before training",
    },
)("dlgbench.probes.noise:gradient_noise")
register_probe(
    "flops",
    when="start",
    metrics={
        "flops": "floating-point operations of one example's forward pass, two for a "
        "multiply-add; convolutions and matrix products alone"
    },
)("dlgbench.probes.cost:flops")
register_probe(
    "memory",
    when="start",
    metrics={
        "memory/parameters": "bytes of the parameters",
        "memory/saved": "bytes that a training step keeps for its backward pass, beside the "
        "parameters, for each row of the batch",
    },
)("dlgbench.probes.cost:memory")
register_probe(
    "by_hand",
    when="start",
    metrics={
        "by_hand/unit": "relative error of the gradients of the toy sigmoidal unit by hand, "
        "against automatic differentiation",
        "by_hand/linear_input": "the same of a linear layer, to its input",
        "by_hand/linear_weight": "the same of a linear layer, to its weights",
        "by_hand/cross_entropy": "the same of softmax cross-entropy",
        "by_hand/one_output": "a sabotage: the gradient of the input without the sum over the "
        "outputs c",
        "by_hand/without_sum": "a sabotage: the gradient of the weights without the sum over the "
        "examples",
        "by_hand/not_transposed": "a sabotage: the gradient of the input with the weights not "
        "transposed",
    },
)("dlgbench.probes.by_hand:by_hand")
register_probe(
    "updates",
    when="training",
    metrics={
        "updates/lr": "learning rate of the last step",
        "updates/norm": "l2 norm of the last change of the weights between two evaluations, for "
        "each step in between",
        "updates/relative": "the same over the l2 norm of all weights",
        "updates/weights": "l2 norm of all weights, after training",
        "updates/detour": "length of the weights' path, from evaluation to evaluation, over the "
        "distance of its ends: 1 is a straight line",
    },
)("dlgbench.probes.observers:Updates")
register_probe(
    "drift",
    when="training",
    metrics={
        "drift/mean": "change of a unit's mean input between two evaluations, in its standard "
        "deviations, averaged",
        "drift/sd": "change of the logarithm of a unit's standard deviation between two "
        "evaluations, averaged",
    },
)("dlgbench.probes.drift:Drift")
register_probe(
    "effective_field",
    when="end",
    metrics={
        "effective_field": "side of a square of as many pixels as have a gradient above 4.55 % of "
        "the largest, after training",
        "effective_field/share": "effective_field over the receptive field by arithmetic",
    },
)("dlgbench.probes.receptive_field:effective_field")
register_probe(
    "dead_units",
    when="end",
    metrics={
        "dead_units": "share of the hidden units that are 0 for every row of the probe batch, "
        "after training",
        "dead_units/worst": "the same of the layer with the most",
    },
)("dlgbench.probes.signals:dead_units")
register_probe(
    "weight_norms",
    when="end",
    metrics={
        "weight_norms/total": "l2 norm of all layers' weights, without biases and normalization, "
        "after training"
    },
)("dlgbench.probes.signals:weight_norms")
register_probe(
    "response_sd",
    when="end",
    metrics={
        "response_sd": "standard deviation of a layer's response before activation and addition, "
        "mean over the hidden layers, after training"
    },
)("dlgbench.probes.signals:response_sd")
register_probe(
    "checkerboard",
    when="end",
    metrics={
        "checkerboard": "share of the output images' power that repeats every two pixels, after "
        "training",
        "checkerboard/ratio": "the same over that of the target images",
    },
)("dlgbench.probes.checkerboard:checkerboard")
register_probe(
    "filters",
    when="end",
    metrics={
        "filters/roughness": "mean squared difference of neighbouring weights over their "
        "variance, after training: 2 for white noise, near 0 if smooth"
    },
)("dlgbench.probes.pictures:filters")
register_probe("boundary", when="end", metrics={})("dlgbench.probes.plane:boundary")
register_probe("warp", when="end", metrics={})("dlgbench.probes.plane:warp")
register_probe(
    "fit",
    when="end",
    metrics={"fit/swing": "largest |prediction| on [-1, 1], after training"},
)("dlgbench.probes.fit:fit")
register_probe("predictions", when="test", metrics={})("dlgbench.probes.pictures:predictions")
register_probe(
    "averaging",
    when="test",
    metrics={
        "averaging/once": "test error of one deterministic pass",
        "averaging/unscaled": "the same without the scaling of the weights",
        "averaging/k1": "test error of one thinned network",
        "averaging/k50": "test error of the mean over 50 thinned networks",
        "averaging/k100": "test error of the mean over 100 thinned networks",
    },
)("dlgbench.probes.inference:averaging")
register_probe(
    "lighting",
    when="test",
    metrics={
        "lighting/drop": "largest rise of the test error under I -> a I + b, six (a, b) with a > 0",
        "lighting/clipped": "rise of the test error under 2 I - 1/4, clipped to [0, 1]",
        "lighting/negative": "test error under 1 - I",
    },
)("dlgbench.probes.inference:lighting")
register_probe(
    "perfect",
    when="test",
    metrics={"perfect": "1 where no point of the test split is misclassified, else 0"},
)("dlgbench.probes.inference:perfect")
register_probe(
    "linear_probes",
    when="test",
    metrics={
        "hierarchy/first": "accuracy of a linear classifier on the first hidden layer",
        "hierarchy/last": "accuracy of a linear classifier on the last hidden layer",
        "hierarchy/rise": "the difference of the two",
    },
)("dlgbench.probes.hierarchy:linear_probes")
register_probe("exemplars", when="test", metrics={})("dlgbench.probes.hierarchy:exemplars")
register_probe(
    "minima",
    when="test",
    metrics={
        "minima/gap": "difference of the test errors of two nets trained from two starts, without "
        "its sign",
        "minima/disagreement": "share of the test split that the two put into different classes",
        "minima/barrier": "largest height of the test loss on the straight line between their "
        "weights, above the line that joins its ends",
    },
)("dlgbench.probes.minima:minima")
register_probe(
    "identity",
    when="start",
    metrics={
        "identity/change": "largest change of a value by a block that keeps the shape, over the "
        "largest value that goes in, over all blocks, before training; 0 for the identity"
    },
)("dlgbench.probes.identity:identity")
