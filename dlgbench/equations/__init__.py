"""The lecture's equations, written out by hand: what a teacher shows, and what the tests hold against torch.

A block is a pair of functions, "another brick in the wall": `block(*inputs)` is its output, and `block_backward(d_output, *inputs)` are the
gradients of its inputs, dL/dx = dL/dy dy/dx. Throughout, `d_y` stands for dL/dy and has the shape of y. Nothing here uses autograd.
"""
