"""Points on shapes whose dimension and curvature are known, in a space of 64 dimensions."""

import numpy as np

WIDTH = 64


def rotated(points, draw, noise=0.0, width=WIDTH):
    """Return points in a space of `width` dimensions, turned at random, with isotropic noise."""
    turn = np.linalg.qr(draw.standard_normal((width, width)))[0][: points.shape[1]]
    return points @ turn + noise * draw.standard_normal((len(points), width))


def sphere(draw, n, d, radius=1.0):
    x = draw.standard_normal((n, d + 1))
    return radius * x / np.linalg.norm(x, axis=1, keepdims=True)


def gaussian(draw, n, d):
    return draw.standard_normal((n, d))


def cube(draw, n, d):
    return draw.random((n, d))


def swiss_roll(draw, n):
    t = 1.5 * np.pi * (1 + 2 * draw.random(n))
    return np.c_[t * np.cos(t), 21 * draw.random(n), t * np.sin(t)]


def cylinder(draw, n):
    angle = 2 * np.pi * draw.random(n)
    return np.c_[np.cos(angle), np.sin(angle), 4 * draw.random(n)]


def circle(draw, n):
    angle = 2 * np.pi * draw.random(n)
    return np.c_[np.cos(angle), np.sin(angle)]


def helix(draw, n):
    t = 6 * np.pi * draw.random(n)
    return np.c_[np.cos(t), np.sin(t), 0.3 * t]


def torus(draw, n):
    """Radii 2 and .7, even on the surface."""
    u, v = 2 * np.pi * draw.random((2, 4 * n))
    kept = np.flatnonzero(draw.random(4 * n) < (2 + 0.7 * np.cos(v)) / 2.7)[:n]
    u, v = u[kept], v[kept]
    return np.c_[(2 + 0.7 * np.cos(v)) * np.cos(u), (2 + 0.7 * np.cos(v)) * np.sin(u), 0.7 * np.sin(v)]


def flat_torus(draw, n):
    """Of no Gaussian curvature, and of mean curvature 1 / sqrt(2) in four dimensions."""
    angles = 2 * np.pi * draw.random((n, 2))
    return np.c_[np.cos(angles), np.sin(angles)]


def moebius(draw, n):
    u, w = 2 * np.pi * draw.random(n), draw.random(n) - 0.5
    return np.c_[(2 + w * np.cos(u / 2)) * np.cos(u), (2 + w * np.cos(u / 2)) * np.sin(u), w * np.sin(u / 2)]


def graph(draw, n, d, height):
    """The graph of `height` times a function of d numbers from -1 to 1: half their squared sum."""
    at = 2 * draw.random((n, d)) - 1
    return np.c_[at, height * (at**2).sum(1) / 2]


def saddle(draw, n):
    at = 2 * draw.random((n, 2)) - 1
    return np.c_[at, (at[:, 0] ** 2 - at[:, 1] ** 2) / 2]


def helicoid(draw, n):
    """A minimal surface: its principal curvatures cancel."""
    u, v = 4 * draw.random(n) - 2, 2 * draw.random(n) - 1
    return np.c_[v * np.cos(u), v * np.sin(u), u]
