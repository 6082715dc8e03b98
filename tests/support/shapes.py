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


# --- shapes that the rule of curvature was not made on: those of the table in docs/decisions/geometry.md --------------


def _ball(draw, n, d):
    return sphere(draw, n, d - 1) * draw.random((n, 1)) ** (1 / d)


def _even(make, weight, draw, n):
    """Return points of a surface of two angles, even on it: a point is kept with the weight of its place, up to 1."""
    at = 2 * np.pi * draw.random((2, 8 * n))
    return make(*at[:, draw.random(8 * n) < weight(*at)][:, :n])


def _simplex(draw, n, d):
    return draw.dirichlet(np.ones(d + 1), n)[:, :d]


def _cross(draw, n):
    along, across = 2 * draw.random(n) - 1, 0.4 * draw.random(n) - 0.2
    lies = draw.random(n) < 0.5
    return np.where(lies[:, None], np.c_[along, across], np.c_[across, along])


def _hyperboloid(draw, n):
    u, v = 2 * np.pi * draw.random(n), 2 * draw.random(n) - 1
    return np.c_[np.sqrt(1 + v**2) * np.cos(u), np.sqrt(1 + v**2) * np.sin(u), v]


def _frustum(draw, n):
    u, r = 2 * np.pi * draw.random(n), np.sqrt(0.25 + 0.75 * draw.random(n))
    return np.c_[r * np.cos(u), r * np.sin(u), r]


def _veronese(draw, n):
    x, y, z = sphere(draw, n, 2).T
    return np.c_[x * y, x * z, y * z, (x**2 - y**2) / 2, (x**2 + y**2 - 2 * z**2) / np.sqrt(12)]


def _circles(draw, n, radii):
    angles = 2 * np.pi * draw.random((len(radii), n))
    return np.concatenate(
        [radius * np.array([np.cos(a), np.sin(a)]) for radius, a in zip(radii, angles, strict=True)]
    ).T


def _cubic(draw, n):
    x, y = 2 * draw.random((2, n)) - 1
    return np.c_[x, y, x**3 + y**3]


def _quadratic(draw, n):
    x = 2 * draw.random((n, 3)) - 1
    forms = draw.standard_normal((7, 3, 3)) / 2
    return np.c_[x, np.einsum("ni,kij,nj->nk", x, forms, x)]


def _turns(draw, n):
    t = 6 * np.pi * draw.random(n)
    return np.c_[2 * np.cos(t), 2 * np.sin(t), 0.5 * t]


def _trefoil(draw, n):
    t = 2 * np.pi * draw.random(n)
    return np.c_[np.sin(t) + 2 * np.sin(2 * t), np.cos(t) - 2 * np.cos(2 * t), -np.sin(3 * t)]


def _rolled_paper(draw, n):
    t = np.pi * (1 + 2 * draw.random(n))
    return np.c_[t * np.cos(t), t * np.sin(t), 10 * draw.random(n)]


def _cap(draw, n):
    u, z = 2 * np.pi * draw.random(n), 0.5 + 0.5 * draw.random(n)
    return np.c_[np.sqrt(1 - z**2) * np.cos(u), np.sqrt(1 - z**2) * np.sin(u), z]


def _corrugated(draw, n):
    x, y = 2 * np.pi * draw.random(n), 4 * draw.random(n)
    return np.c_[x, y, 0.5 * np.sin(2 * x)]


def _klein(u, v):
    tube = 2 + np.cos(v)
    return np.c_[tube * np.cos(u), tube * np.sin(u), np.sin(v) * np.cos(u / 2), np.sin(v) * np.sin(u / 2)]


def _scherk(draw, n):
    x, y = 2.4 * draw.random((2, n)) - 1.2
    return np.c_[x, y, np.log(np.cos(y) / np.cos(x))]


#: each makes n points
NEW_FLAT = {
    "disc in 20 dimensions": lambda draw, n: rotated(_ball(draw, n, 2), draw, width=20),
    "triangle": lambda draw, n: _simplex(draw, n, 2),
    "annulus": lambda draw, n: circle(draw, n) * np.sqrt(0.25 + 0.75 * draw.random((n, 1))),
    "solid of 3 (simplex)": lambda draw, n: _simplex(draw, n, 3),
    "ball of 4": lambda draw, n: _ball(draw, n, 4),
    "plane, exponential density": lambda draw, n: draw.exponential(size=(n, 2)),
    "solid of 3, Laplace density": lambda draw, n: draw.laplace(size=(n, 3)),
    "segment, dense at one end": lambda draw, n: draw.random((n, 1)) ** 3,
    "cross in a plane": _cross,
}
NEW_CURVED = {
    "hyperboloid of one sheet": _hyperboloid,
    "cone away from its tip": _frustum,
    "Clifford torus, radii 1 and .6": lambda draw, n: _circles(draw, n, (1, 0.6)),
    "Veronese surface": _veronese,
    "product of three circles": lambda draw, n: _circles(draw, n, (1, 1, 1)),
    "cubic surface": _cubic,
    "random quadratic graph, R^3 to R^10": _quadratic,
    "helix of three turns": _turns,
    "trefoil knot": _trefoil,
    "rolled paper (Archimedean)": _rolled_paper,
    "cap of a sphere": _cap,
    "corrugated sheet": _corrugated,
    "S^2 times a circle": lambda draw, n: np.c_[sphere(draw, n, 2), circle(draw, n)],
    "ellipse": lambda draw, n: circle(draw, n) * [2, 1],
    "Klein bottle in R^4": lambda draw, n: _even(_klein, lambda u, v: (2 + np.cos(v)) / 3, draw, n),
    "Scherk's surface (minimal)": _scherk,
}
