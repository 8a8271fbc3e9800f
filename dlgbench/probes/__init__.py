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
    tried=False,
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
    exact=("flops",),
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
    "edge_filter",
    when="test",
    metrics={
        "edge_filter/kernel_error": "largest absolute difference of a learnt 3x3 kernel from "
        "Sobel's",
        "edge_filter/output_error": "RMS of the output's error over RMS of the target, on the test "
        "split; nan where the target is 0",
        "edge_filter/picture_error": "RMS of the difference from Sobel's response to a photograph, "
        "over RMS of that response",
    },
)("dlgbench.probes.edge_filter:edge_filter")
register_probe("field_over_input", when="start", metrics={})(
    "dlgbench.probes.field_over_input:field_over_input"
)
register_probe("feature_maps", when="test", metrics={})("dlgbench.probes.maps:feature_maps")
register_probe(
    "checkerboard_start",
    when="start",
    metrics={
        "checkerboard_start": "share of the output images' power that repeats every two pixels, "
        "before training"
    },
)("dlgbench.probes.checkerboard:at_start")
register_probe(
    "upsampling_by_hand",
    when="start",
    metrics={
        "upsampling/zero_insertion": "largest difference between zero insertion with a convolution "
        "and transposed convolution, of the same kernel, rotated",
        "upsampling/equations": "the same between transposed convolution by its equation and "
        "torch's",
        "upsampling/by_matrix": "the same between the transposed matrix of a convolution and "
        "torch's transposed convolution",
        "upsampling/not_rotated": "a sabotage: the difference of the first, with the kernel not "
        "rotated",
        "upsampling/uneven_2": "max / min - 1 of the number of windows of 2x2 that reach a pixel, "
        "stride 2",
        "upsampling/uneven_3": "the same of windows of 3x3",
        "upsampling/uneven_4": "the same of windows of 4x4",
        "upsampling/uneven_nearest": "the same of nearest neighbours and a 3x3 convolution",
    },
)("dlgbench.probes.upsampling_by_hand:upsampling_by_hand")
register_probe(
    "high_frequency",
    when="test",
    metrics={
        "high_frequency/error": "power of the error over that of the target, above half the "
        "Nyquist frequency, on the test split"
    },
)("dlgbench.probes.high_frequency:high_frequency")
register_probe("outputs", when="test", metrics={})("dlgbench.probes.outputs:outputs")
register_probe(
    "images",
    when="test",
    metrics={
        "images/over_mean": "mean squared error on the test split over that of the mean image of "
        "its targets",
        "images/over_input": "the same over that of the best a x + b, the input itself up to "
        "brightness and contrast",
    },
)("dlgbench.probes.images:images")
register_probe(
    "code",
    when="start",
    metrics={
        "code/numbers": "numbers in the smallest output of the layers with the fewest positions",
        "code/positions": "positions H x W of that output, 1 for a vector",
        "code/share": "code/numbers over the numbers of the input",
    },
    exact=("code/numbers", "code/positions", "code/share"),
)("dlgbench.probes.code:code")
register_probe(
    "sliding",
    when="test",
    metrics={
        "sliding/conversion": "largest difference of the classifier and its convolutional form on "
        "single images, over the largest score, in float64",
        "sliding/error": "the same of one pass over a canvas of 3 x 3 images and the classifier on "
        "each window of it",
        "sliding/flops": "operations of the classifier on each window over those of one pass",
        "sliding/stride": "pixels of the canvas from window to window",
    },
    exact=("sliding/flops", "sliding/stride"),
)("dlgbench.probes.sliding:sliding")
register_probe(
    "sliding_speed",
    when="start",
    timing=True,
    metrics={
        "sliding_speed/windows": "milliseconds of the classifier on all windows of a canvas as one "
        "batch, median",
        "sliding_speed/dense": "milliseconds of one pass over the canvas, median",
    },
)("dlgbench.probes.sliding_speed:sliding_speed")
register_probe(
    "pyramid",
    when="test",
    metrics={
        "pyramid/error": "largest error of the reconstruction over the largest pixel, in float64",
        "pyramid/parseval": "relative difference of the energies of bands and images",
        "pyramid/sabotaged": "the error of a synthesis that turns the signs of the finest details",
        "pyramid/lost_1": "share of the images' variance that is lost without the finest level",
        "pyramid/lost_2": "the same without the two finest levels",
        "pyramid/lost_all": "the same without any details",
        "pyramid/dropped": "energy that is lost without the finest level less that of the level, "
        "over the energy of the images, without its sign",
        "pyramid/lost_noise": "pyramid/lost_1 of the images with their pixels shuffled",
    },
    exact=(  # of the test split, which is the same for every seed
        "pyramid/error",
        *("pyramid/parseval", "pyramid/sabotaged", "pyramid/lost_1", "pyramid/lost_2"),
        *("pyramid/lost_all", "pyramid/dropped", "pyramid/lost_noise"),
    ),
)("dlgbench.probes.pyramid:pyramid")
register_probe(
    "training_step",
    when="training",
    timing=True,
    metrics={
        "training_step/bare": "milliseconds of an optimizer step in a bare loop",
        "training_step/reversed": "the same, minibatches in reverse order",
        "training_step/engine": "the same by the suite's engine",
        "training_step/lightning": "the same by Lightning, a minibatch at a time",
        "training_step/bare_difference": "largest difference of the bare loop's mean losses and "
        "weights from those of the engine",
        "training_step/reversed_difference": "the same, minibatches in reverse order",
        "training_step/lightning_difference": "the same of Lightning's",
    },
)("dlgbench.probes.training_step:TrainingStep")
register_probe(
    "onnx",
    when="start",
    tried=False,
    metrics={
        "onnx/difference": "largest difference of the outputs in ONNX Runtime from those in torch",
        "onnx/rounding": "the same of torch's outputs in float32 from those in float64",
        "onnx/train_mode": "the same in ONNX Runtime from those in torch in training mode",
        "onnx/bytes": "size of the ONNX model's files",
    },
)("dlgbench.probes.interchange:onnx")
register_probe(
    "connectivity",
    when="start",
    metrics={
        "connectivity/full": "weights from 200x200 pixels to 40,000 units, all to all",
        "connectivity/local": "the same where each unit has a window of 10x10 of its own",
        "connectivity/shared": "the same where all units share the weights of one window",
        "connectivity/numbers": "different numbers, beside 0, in the matrix of a 3x3 convolution",
        "connectivity/matrix": "relative error of a convolution by its matrix, against torch's",
        "connectivity/unshared": "a sabotage: the same with other weights in the same band",
    },
)("dlgbench.probes.connectivity:connectivity")
register_probe(
    "shifts",
    when="test",
    metrics={
        f"shifts/kept_{d}": f"test accuracy under shifts by {d} px, over that of unshifted images"
        for d in (1, 2, 3)
    },
)("dlgbench.probes.shifts:shifts")
register_probe(
    "identity",
    when="start",
    metrics={
        "identity/change": "largest change of a value by a block that keeps the shape, over the "
        "largest value that goes in, over all blocks, before training; 0 for the identity"
    },
)("dlgbench.probes.identity:identity")
