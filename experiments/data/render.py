"""The renderer: scenes to pictures, depth, masks, edges and boxes by ray tracing, in one vectorised call.

Every solid is convex and intersected analytically in its own frame, where it has radius 1 and stands on z = 0. Rays are
compacted first (a bounding sphere says which solid a ray can meet) and grouped by shape, so that there is no loop over
images or solids. Four rays a pixel give anti-aliasing; shadows, highlights and, on metal, reflections of the other solids
are traced. Lengths are in tiles, colours in [0, 1] until the last line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F

from experiments.data.scenes import COLOURS, FLOORS, MATERIALS, SHAPES, Scene

SLOTS = 4
OVERSAMPLING = 2
CAMERA, TARGET, FIELD_OF_VIEW = (0.0, -7.4, 5.6), (0.0, 0.12, 0.42), 0.442  # tiles, tiles, radians
LIGHT = (-4.0, -5.0, 8.0)
BOUND_CENTRE, BOUND_RADIUS = 0.9, 1.45  # of every unit solid
HALF_SIDE, TUBE_RADIUS, TUBE_HEIGHT, CONE_RADIUS, CONE_HEIGHT = 0.80, 0.85, 1.70, 0.95, 1.90

PAINT = torch.tensor(  # CLEVR's eight colours
    [[87, 87, 87], [173, 35, 35], [42, 75, 215], [29, 105, 20], [129, 74, 25], [129, 38, 192], [41, 208, 208], [255, 238, 51]]
) / 255.0
GROUND = torch.tensor([[0.74, 0.74, 0.74], [0.85, 0.76, 0.58], [0.58, 0.67, 0.78], [0.84, 0.66, 0.66]])
SKY = torch.tensor([0.80, 0.84, 0.90])


@dataclass(frozen=True, slots=True)
class Rendering:
    """What one call returns for B scenes at resolution R.

    image [B,3,R,R] uint8; depth [B,R,R] float, tiles from the camera; mask [B,R,R] int8, -1 for floor, else the index of the
    solid seen; edges [B,R,R] bool, outlines and creases; boxes [B,4,4] float, x0 y0 x1 y1 in pixels of the visible part of
    each solid, nan where there is none.
    """

    image: torch.Tensor
    depth: torch.Tensor
    mask: torch.Tensor
    edges: torch.Tensor
    boxes: torch.Tensor


@dataclass(frozen=True, slots=True)
class _Solids:
    """Scenes as tensors [B, SLOTS, ...]; `shape` is -1 in an empty slot."""

    shape: torch.Tensor
    base: torch.Tensor
    radius: torch.Tensor
    turn: torch.Tensor  # cosine and sine of the rotation
    paint: torch.Tensor
    metal: torch.Tensor
    ground: torch.Tensor  # [B, 3]

    @property
    def bound(self) -> torch.Tensor:
        lift = torch.zeros_like(self.base)
        lift[..., 2] = BOUND_CENTRE * self.radius
        return self.base + lift


@torch.no_grad()
def render(scenes: Sequence[Scene], resolution: int = 64, device: str | torch.device = "cpu") -> Rendering:
    """Render scenes; the picture of a scene does not depend on the batch it is in. Raises ValueError on an empty batch."""
    if not scenes:
        raise ValueError("no scene to render: pass at least one")
    solids = _tensors(scenes, torch.device(device))
    eye, rays = _rays(resolution * OVERSAMPLING, str(device))
    reach, seen = _first_hit_from_eye(solids, eye, rays)
    colour = _floor(solids, eye, rays, resolution)
    floor_depth = (-eye[2] / rays[:, 2]).expand_as(reach)
    normal = torch.zeros(*reach.shape, 3, device=reach.device)
    normal[..., 2] = 1.0
    b, r = torch.nonzero(seen >= 0, as_tuple=True)
    if len(b):
        k = seen[b, r]
        colour[b, r], normal[b, r] = _shade(solids, b, k, eye, rays[r], reach[b, r])
    depth = torch.where(seen >= 0, reach, floor_depth)
    return _gather(colour, depth, seen, normal, resolution)


def _tensors(scenes: Sequence[Scene], device: torch.device) -> _Solids:
    rows = torch.zeros(len(scenes), SLOTS, 9)
    rows[..., 0] = -1
    for i, scene in enumerate(scenes):
        values = [
            (SHAPES.index(s.shape), s.x, s.y, s.radius, s.rotation, COLOURS.index(s.colour), MATERIALS.index(s.material))
            for s in scene.solids
        ]
        rows[i, : len(values), :7] = torch.tensor(values)
    ground = GROUND[[FLOORS.index(s.floor) for s in scenes]].to(device)
    rows = rows.to(device)
    return _Solids(
        shape=rows[..., 0].long(),
        base=torch.stack([rows[..., 1], rows[..., 2], torch.zeros_like(rows[..., 0])], -1),
        radius=rows[..., 3].clamp_min(1e-3),
        turn=torch.stack([rows[..., 4].cos(), rows[..., 4].sin()], -1),
        paint=PAINT.to(device)[rows[..., 5].long()],
        metal=rows[..., 6] > 0.5,
        ground=ground,
    )


@lru_cache(maxsize=8)
def _rays(side: int, device: str) -> tuple[torch.Tensor, torch.Tensor]:
    """The camera's position [3] and unit directions [side * side, 3], rows from the top."""
    eye, target = torch.tensor(CAMERA), torch.tensor(TARGET)
    forward = F.normalize(target - eye, dim=0)
    right = F.normalize(torch.linalg.cross(forward, torch.tensor([0.0, 0.0, 1.0])), dim=0)
    up = torch.linalg.cross(right, forward)
    at = (torch.arange(side) + 0.5) / side * 2 - 1
    extent = torch.tan(torch.tensor(FIELD_OF_VIEW / 2))
    y, x = torch.meshgrid(-at, at, indexing="ij")
    rays = forward + extent * (x[..., None] * right + y[..., None] * up)
    return eye.to(device), F.normalize(rays.reshape(-1, 3), dim=1).to(device)


def _first_hit_from_eye(solids: _Solids, eye: torch.Tensor, rays: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Distance [B,R] to the first solid (inf if none) and its slot [B,R] (-1 if none)."""
    towards = solids.bound - eye
    along = towards @ rays.T
    clear = (towards.square().sum(-1) - (BOUND_RADIUS * solids.radius).square())[..., None]
    b, k, r = torch.nonzero((along.square() > clear) & (solids.shape >= 0)[..., None], as_tuple=True)
    distance = torch.full(along.shape, torch.inf, device=rays.device)
    distance[b, k, r] = _meet(solids, b, k, eye.expand(len(b), 3), rays[r])
    reach, slot = distance.min(1)
    return reach, torch.where(reach.isinf(), -1, slot)


def _floor(solids: _Solids, eye: torch.Tensor, rays: torch.Tensor, resolution: int) -> torch.Tensor:
    """Colour of the bare floor with the solids' shadows, [B,R,3]. Shadows are traced once a pixel and interpolated."""
    light = torch.tensor(LIGHT, device=rays.device)
    coarse = _rays(resolution, str(rays.device))[1]
    points = eye - coarse * (eye[2] / coarse[:, 2:])
    to_light = F.normalize(light - points, dim=1)
    centre = solids.bound
    along = centre @ to_light.T - (points * to_light).sum(1)
    apart = centre.square().sum(-1, keepdim=True) - 2 * centre @ points.T + points.square().sum(1)
    near = (apart - along.square() < (BOUND_RADIUS * solids.radius).square()[..., None]) & (along > 0)
    b, k, r = torch.nonzero(near & (solids.shape >= 0)[..., None], as_tuple=True)
    shadow = torch.zeros(len(solids.shape), len(points), device=rays.device)
    blocked = ~_meet(solids, b, k, points[r], to_light[r]).isinf()
    shadow[b[blocked], r[blocked]] = 1.0
    side = resolution * OVERSAMPLING
    shadow = F.interpolate(shadow.view(-1, 1, resolution, resolution), side, mode="bilinear").view(len(shadow), -1)
    ground = eye - rays * (eye[2] / rays[:, 2:])
    return solids.ground[:, None] * (_falloff(ground) * (1 - 0.42 * shadow))[..., None]


def _falloff(points: torch.Tensor) -> torch.Tensor:
    """How much of the lamp reaches points of the floor, relative to its middle."""
    light = torch.tensor(LIGHT, device=points.device)
    return (1.10 - 0.012 * (points - light).square().sum(-1) / light[2]).clamp(0.5, 1.1)


def _shade(solids, b, k, eye, rays, reach) -> tuple[torch.Tensor, torch.Tensor]:
    """Colour and normal [P,3] at P visible points: solid (b, k) met at distance `reach` along `rays`."""
    light = torch.tensor(LIGHT, device=rays.device)
    points = eye + reach[:, None] * rays
    normal = _normals(solids, b, k, points)
    to_light = F.normalize(light - points, dim=1)
    facing = (normal * to_light).sum(1)
    lit = facing > 0
    shadowed = torch.zeros_like(lit)
    at = lit.nonzero().squeeze(1)
    shadowed[at] = ~_first_hit(solids, b[at], k[at], points[at], to_light[at])[0].isinf()
    direct = facing.clamp_min(0) * torch.where(shadowed, 0.0, 1.0)
    paint, metal = solids.paint[b, k], solids.metal[b, k]
    ambient = 0.38 + 0.17 * normal[:, 2]
    colour = paint * (ambient + 0.72 * direct)[:, None]
    mirror = rays - 2 * (rays * normal).sum(1, keepdim=True) * normal
    glint = (mirror * to_light).sum(1).clamp_min(0) * (direct > 0)
    colour = colour + torch.where(metal, 0.75 * glint.pow(40), 0.10 * glint.pow(8))[:, None]
    m = metal.nonzero().squeeze(1)
    if len(m):
        reflected = _reflection(solids, b[m], k[m], points[m], mirror[m])
        colour[m] = 0.62 * colour[m] + 0.38 * reflected * (0.35 + 0.65 * paint[m] / paint[m].amax(1, keepdim=True))
    return colour, normal


def _reflection(solids, b, k, points, rays) -> torch.Tensor:
    """What a mirror at `points` shows, [P,3]: another solid (lit without shadow), else the floor, else the sky."""
    reach, slot = _first_hit(solids, b, k, points, rays)
    down = rays[:, 2] < -1e-3
    drop = torch.where(down, -points[:, 2] / rays[:, 2].clamp_max(-1e-3), 0.0)
    ground = solids.ground[b] * _falloff(points + drop[:, None] * rays)[:, None]
    sky = SKY.to(rays.device) * (0.75 + 0.35 * rays[:, 2:].clamp_min(0))
    colour = torch.where(down[:, None], ground, sky)
    h = (~reach.isinf()).nonzero().squeeze(1)
    if len(h):
        at = points[h] + reach[h, None] * rays[h]
        normal = _normals(solids, b[h], slot[h], at)
        facing = (normal * F.normalize(torch.tensor(LIGHT, device=at.device) - at, dim=1)).sum(1).clamp_min(0)
        colour[h] = solids.paint[b[h], slot[h]] * (0.45 + 0.65 * facing)[:, None]
    return colour


def _first_hit(solids, b, k, origin, rays) -> tuple[torch.Tensor, torch.Tensor]:
    """First solid other than k of scene b met from `origin`: distance [P] (inf if none) and slot [P]. Solids are convex."""
    towards = solids.bound[b] - origin[:, None]
    along = (towards * rays[:, None]).sum(-1)
    aside = towards.square().sum(-1) - along.square()
    able = (aside < (BOUND_RADIUS * solids.radius[b]).square()) & (along > 0) & (solids.shape[b] >= 0)
    able &= torch.arange(SLOTS, device=b.device) != k[:, None]
    p, j = torch.nonzero(able, as_tuple=True)
    distance = torch.full(able.shape, torch.inf, device=origin.device)
    distance[p, j] = _meet(solids, b[p], j, origin[p], rays[p])
    return distance.min(1)


def _local(solids, b, k, vectors) -> torch.Tensor:
    """World directions [P,3] in the frame of solid (b, k), in units of its radius."""
    c, s = solids.turn[b, k].unbind(-1)
    x, y, z = vectors.unbind(-1)
    return torch.stack([c * x + s * y, c * y - s * x, z], -1) / solids.radius[b, k][:, None]


def _meet(solids, b, k, origin, rays) -> torch.Tensor:
    """Distance [P] at which ray p meets solid (b[p], k[p]) from outside, inf if it misses."""
    reach = torch.full((len(b),), torch.inf, device=origin.device)
    shape = solids.shape[b, k]
    for s, meet in enumerate((_sphere, _cube, _cylinder, _cone)):
        at = (shape == s).nonzero().squeeze(1)
        if len(at):
            bs, ks = b[at], k[at]
            o = _local(solids, bs, ks, origin[at] - solids.base[bs, ks])
            reach[at] = meet(o, _local(solids, bs, ks, rays[at]))
    return reach


def _entry(a, b, c):
    """Smaller root of a t^2 + 2 b t + c, inf where there is none; a > 0."""
    d = b * b - a * c
    return torch.where(d > 0, (-b - d.clamp_min(0).sqrt()) / a, torch.inf)


def _ahead(t):
    return torch.where(t > 1e-4, t, torch.inf)


def _sphere(o, d):
    z = o[:, 2] - 1
    c = o[:, 0] ** 2 + o[:, 1] ** 2 + z**2 - 1
    return _ahead(_entry(d.square().sum(1), o[:, 0] * d[:, 0] + o[:, 1] * d[:, 1] + z * d[:, 2], c))


def _cube(o, d):
    o = o - o.new_tensor([0, 0, HALF_SIDE])
    inverse = 1 / torch.where(d.abs() < 1e-9, 1e-9, d)
    near, far = (-o * inverse - HALF_SIDE * inverse.abs()).amax(1), (-o * inverse + HALF_SIDE * inverse.abs()).amin(1)
    return _ahead(torch.where(near < far, near, torch.inf))


def _disc(o, d, z, radius):
    """Distance to the disc of `radius` at height `z` about the axis."""
    t = (z - o[:, 2]) / torch.where(d[:, 2].abs() < 1e-9, 1e-9, d[:, 2])
    x, y = o[:, 0] + t * d[:, 0], o[:, 1] + t * d[:, 1]
    return torch.where(x * x + y * y < radius * radius, _ahead(t), torch.inf)


def _cylinder(o, d):
    (x, y, z), (u, v, w) = o.unbind(1), d.unbind(1)
    t = _entry((u * u + v * v).clamp_min(1e-12), x * u + y * v, x * x + y * y - TUBE_RADIUS**2)
    height = z + t * w
    wall = torch.where((height > 0) & (height < TUBE_HEIGHT), _ahead(t), torch.inf)
    return torch.minimum(wall, torch.minimum(_disc(o, d, TUBE_HEIGHT, TUBE_RADIUS), _disc(o, d, 0.0, TUBE_RADIUS)))


def _cone(o, d):
    (x, y, z), (u, v, w) = o.unbind(1), d.unbind(1)
    slope = (CONE_RADIUS / CONE_HEIGHT) ** 2
    below = CONE_HEIGHT - z
    a = u * u + v * v - slope * w * w
    a = torch.where(a.abs() < 1e-9, 1e-9, a)
    b, c = x * u + y * v + slope * below * w, x * x + y * y - slope * below * below
    d2 = b * b - a * c
    root = d2.clamp_min(0).sqrt()
    both = torch.stack([(-b - root) / a, (-b + root) / a])
    height = z + both * w
    both = torch.where((d2 > 0) & (height > 0) & (height < CONE_HEIGHT) & (both > 1e-4), both, torch.inf)
    return torch.minimum(both.amin(0), _disc(o, d, 0.0, CONE_RADIUS))


def _normals(solids, b, k, points) -> torch.Tensor:
    """Outward unit normals [P,3] of solid (b, k) at points on it."""
    p = _local(solids, b, k, points - solids.base[b, k])
    x, y, z = p.unbind(1)
    shape = solids.shape[b, k][:, None]
    side = p - p.new_tensor([0, 0, HALF_SIDE])
    cube = torch.where(side.abs() == side.abs().amax(1, keepdim=True), side.sign(), 0.0)
    round_wall = torch.stack([x, y, torch.zeros_like(z)], 1)
    cylinder = torch.where((z > TUBE_HEIGHT - 1e-3)[:, None], p.new_tensor([0.0, 0.0, 1.0]), round_wall)
    cone = torch.stack([x, y, (x * x + y * y).sqrt() * CONE_RADIUS / CONE_HEIGHT], 1)
    sphere = p - p.new_tensor([0, 0, 1])
    n = torch.where(shape == 0, sphere, torch.where(shape == 1, cube, torch.where(shape == 2, cylinder, cone)))
    c, s = solids.turn[b, k].unbind(-1)
    return F.normalize(torch.stack([c * n[:, 0] - s * n[:, 1], s * n[:, 0] + c * n[:, 1], n[:, 2]], 1), dim=1)


def _gather(colour, depth, seen, normal, resolution) -> Rendering:
    """Average the four rays of a pixel; geometry comes from the first of them, edges from all."""
    n, side = len(colour), resolution * OVERSAMPLING
    image = F.avg_pool2d(colour.view(n, side, side, 3).permute(0, 3, 1, 2), OVERSAMPLING).clamp(0, 1)
    seen, normal = seen.view(n, side, side), normal.view(n, side, side, 3)
    crease = lambda a, b: (a != b).squeeze(-1)  # noqa: E731
    across = crease(seen[:, :, 1:, None], seen[:, :, :-1, None]) | ((normal[:, :, 1:] * normal[:, :, :-1]).sum(-1) < 0.8)
    down = crease(seen[:, 1:, :, None], seen[:, :-1, :, None]) | ((normal[:, 1:] * normal[:, :-1]).sum(-1) < 0.8)
    edge = F.pad(across, (0, 1)) | F.pad(down, (0, 0, 0, 1))
    edges = F.max_pool2d(edge[:, None].float(), OVERSAMPLING).squeeze(1) > 0
    return Rendering(
        image=(image * 255).round().to(torch.uint8),
        depth=depth.view(n, side, side)[:, ::OVERSAMPLING, ::OVERSAMPLING].contiguous(),
        mask=seen[:, ::OVERSAMPLING, ::OVERSAMPLING].to(torch.int8),
        edges=edges,
        boxes=_boxes(seen),
    )


def _boxes(seen: torch.Tensor) -> torch.Tensor:
    """Smallest boxes [B,SLOTS,4] (x0, y0, x1, y1 in pixels) around what is seen of each solid."""
    side = seen.shape[-1]
    own = seen[:, None] == torch.arange(SLOTS, device=seen.device).view(1, -1, 1, 1)
    at = torch.arange(side, device=seen.device)
    spans = []
    for present in (own.any(2), own.any(3)):
        low = torch.where(present, at, side).amin(-1).float()
        high = torch.where(present, at + 1, 0).amax(-1).float()
        spans.append((low, high))
    (x0, x1), (y0, y1) = spans
    boxes = torch.stack([x0, y0, x1, y1], -1) / OVERSAMPLING
    return torch.where((x1 > x0)[..., None], boxes, torch.nan)
