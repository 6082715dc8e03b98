"""JumpReLU for autograd: a threshold has the gradient of a box around it (Rajamanoharan et al. 2024)."""

import torch


class Jump(torch.autograd.Function):
    """`p` above `threshold`, times `scale`; by the threshold a box of a width."""

    @staticmethod
    def forward(ctx, p, threshold, width, linear):
        ctx.save_for_backward(p, threshold)
        ctx.width, ctx.linear = width, linear
        return (p > threshold) * (p if linear else torch.ones_like(p))

    @staticmethod
    def backward(ctx, gradient):
        p, threshold = ctx.saved_tensors
        box = ((p - threshold).abs() < ctx.width / 2) / ctx.width
        by_threshold = -gradient * box * (threshold if ctx.linear else 1)
        return gradient * (p > threshold) if ctx.linear else None, by_threshold.sum(0), None, None
