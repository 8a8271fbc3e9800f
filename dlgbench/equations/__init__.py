"""The lecture's equations, written out by hand for teaching, and tested against torch.

A block ("another brick in the wall") is a pair of functions: `block(*inputs)` gives its output, and
`block_backward(d_output, *inputs)` gives the gradients of its inputs, dL/dx = dL/dy dy/dx.
Everywhere `d_y` stands for dL/dy and has the shape of y. Nothing here uses autograd.
"""
