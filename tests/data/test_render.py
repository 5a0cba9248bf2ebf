"""The renderer against closed forms and against a ray march in float64 that knows nothing of its formulas."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.data import bench
from experiments.data import render as renderer
from experiments.data.render import CAMERA, FIELD_OF_VIEW, LIGHT, PAINT, TARGET, render
from experiments.data.scenes import COLOURS, FLOORS, MATERIALS, SHAPES, SIZES, Scene, Solid, sample_scene

SIDE = 64


def only(shape="sphere", colour="red", size="large", material="rubber", x=0.0, y=0.0, rotation=0.3, floor="gray") -> Scene:
    return Scene((Solid(shape, colour, size, material, x, y, rotation),), floor)


def camera_rays(side: int = SIDE) -> np.ndarray:
    """Unit directions [side, side, 3] of the ray that gives a pixel its depth: a quarter of a pixel from its corner."""
    eye, target = np.array(CAMERA), np.array(TARGET)
    forward = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    up = np.cross(right, forward)
    at = (np.arange(side) + 0.25) / side * 2 - 1
    extent = np.tan(FIELD_OF_VIEW / 2)
    rays = forward + extent * (at[None, :, None] * right - at[:, None, None] * up)
    return rays / np.linalg.norm(rays, axis=-1, keepdims=True)


def inside(solid: Solid, points: np.ndarray, margin: float = 0.0) -> np.ndarray:
    """Whether world points [..., 3] lie in a solid that is `margin` tiles larger all round."""
    c, s, r = np.cos(solid.rotation), np.sin(solid.rotation), solid.radius
    dx, dy, z = points[..., 0] - solid.x, points[..., 1] - solid.y, points[..., 2]
    x, y = c * dx + s * dy, c * dy - s * dx
    flat = np.hypot(x, y)
    if solid.shape == "sphere":
        return np.sqrt(flat**2 + (z - r) ** 2) < r + margin
    if solid.shape == "cube":
        return np.maximum.reduce([abs(x), abs(y), abs(z - 0.80 * r)]) < 0.80 * r + margin
    if solid.shape == "cylinder":
        return (flat < 0.85 * r + margin) & (z > -margin) & (z < 1.70 * r + margin)
    wall = (flat * 1.90 - (1.90 * r - z) * 0.95) / np.hypot(1.90, 0.95)  # signed distance to the mantle
    return (wall < margin) & (z > -margin)


def march(scene: Scene, origins: np.ndarray, rays: np.ndarray, near: float, far: float, steps: int = 600):
    """First distance at which each ray [N,3] is inside a solid, inf if never, and which solid it is."""
    t = np.linspace(near, far, steps)
    points = origins[:, None] + rays[:, None] * t[None, :, None]
    hit, who = np.full(len(rays), np.inf), np.full(len(rays), -1)
    for k, solid in enumerate(scene.solids):
        within = inside(solid, points)
        first = within.argmax(1)
        found = np.flatnonzero(within.any(1))
        low, high = t[np.maximum(first[found] - 1, 0)], t[first[found]]
        for _ in range(25):
            middle = (low + high) / 2
            into = inside(solid, origins[found] + rays[found] * middle[:, None])
            low, high = np.where(into, low, middle), np.where(into, middle, high)
        closer = high < hit[found]
        hit[found[closer]], who[found[closer]] = high[closer], k
    return hit, who


@pytest.fixture(scope="module")
def sampled():
    scenes = [sample_scene(i, 5, "test") for i in range(80)]
    return scenes, render(scenes)


# ---- geometry -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", SIZES)
def test_depth_and_mask_are_those_of_a_march_along_each_ray(shape, size):
    scene = only(shape, size=size, x=-0.4, y=0.35, rotation=0.6)
    drawn = render([scene])
    rays = camera_rays().reshape(-1, 3)
    origins = np.broadcast_to(CAMERA, rays.shape)
    chosen = np.random.default_rng(0).permutation(len(rays))[:1500]
    hit, _ = march(scene, origins[chosen], rays[chosen], 7.0, 11.0, 400)
    depth = drawn.depth[0].flatten().numpy()[chosen]
    seen = drawn.mask[0].flatten().numpy()[chosen] == 0
    both = seen & np.isfinite(hit)
    assert both.sum() > 25
    assert np.abs(depth[both] - hit[both]).max() < 1e-3
    for at in np.flatnonzero(seen != np.isfinite(hit)):  # only rays that graze the solid may be judged differently
        points = CAMERA + rays[chosen[at]] * np.linspace(7, 11, 20_000)[:, None]
        assert inside(scene.solids[0], points, 1e-3).any() and not inside(scene.solids[0], points, -5e-3).any()


def test_of_several_solids_the_nearest_is_seen(sampled):
    scenes, drawn = sampled
    rays = camera_rays().reshape(-1, 3)
    several = [i for i, s in enumerate(scenes) if len(s.solids) >= 3][:3]
    for i in several:
        chosen = np.random.default_rng(i).permutation(len(rays))[:600]
        hit, who = march(scenes[i], np.broadcast_to(CAMERA, (600, 3)), rays[chosen], 5.0, 12.0)
        mask, depth = drawn.mask[i].flatten().numpy()[chosen], drawn.depth[i].flatten().numpy()[chosen]
        assert (mask == who).mean() > 0.99
        same = (mask == who) & (who >= 0)
        assert np.abs(depth[same] - hit[same]).max() < 1e-3


@pytest.mark.parametrize("size", SIZES)
def test_a_sphere_against_its_closed_form(size):
    solid = Solid("sphere", "blue", size, "rubber", 0.5, -0.3, 0.0)
    drawn = render([Scene((solid,), "gray")], resolution=128)
    towards = np.array([solid.x, solid.y, solid.radius]) - CAMERA
    distance = np.linalg.norm(towards)
    cosine = camera_rays(128) @ (towards / distance)
    silhouette = distance * np.sqrt(1 - cosine**2) < solid.radius
    assert np.array_equal(drawn.mask[0].numpy() == 0, silhouette)
    expected = distance * cosine - np.sqrt(np.where(silhouette, solid.radius**2 - distance**2 * (1 - cosine**2), 0))
    error = np.abs(drawn.depth[0].numpy() - expected)
    assert error[silhouette & (cosine > np.quantile(cosine[silhouette], 0.05))].max() < 1e-4
    at = np.unravel_index(cosine.argmax(), cosine.shape)
    assert drawn.depth[0][at] == pytest.approx(distance - solid.radius, abs=2e-3)


def test_the_bare_floor_is_a_plane():
    drawn = render([only(size="small", x=1.0, y=1.0)])
    z = CAMERA[2] + camera_rays()[..., 2] * drawn.depth[0].numpy()
    assert np.abs(z[drawn.mask[0].numpy() < 0]).max() < 1e-4


@pytest.mark.parametrize("shape", SHAPES)
def test_normals_are_unit_vectors_that_face_the_viewer_and_point_outward(shape):
    scene = only(shape, x=0.7, y=-0.2, rotation=0.9)
    seen = render([scene])
    chosen = (seen.mask[0] == 0).flatten()
    rays = torch.from_numpy(camera_rays().reshape(-1, 3)).float()[chosen]
    points = torch.tensor(CAMERA) + rays * seen.depth[0].flatten()[chosen, None]
    first = torch.zeros(len(rays), dtype=torch.long)
    normal = renderer._normals(renderer._tensors([scene], torch.device("cpu")), first, first, points)
    assert torch.allclose(normal.norm(dim=1), torch.ones(len(normal)), atol=1e-5)
    assert ((normal * rays).sum(1) < 1e-3).all()
    outward, inward = (points + 0.02 * normal).double().numpy(), (points - 0.02 * normal).double().numpy()
    assert not inside(scene.solids[0], outward).any()
    assert inside(scene.solids[0], inward, 1e-3).mean() > 0.98  # all but those at a sharp rim


@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_seen_of_one_solid_is_convex(shape):
    mask = render([only(shape, rotation=1.1)]).mask[0] == 0
    for lines in (mask, mask.T):
        for line in lines:
            at = line.nonzero().flatten()
            assert not len(at) or len(at) == at[-1] - at[0] + 1


# ---- what the outputs say of each other ------------------------------------------------------------------------------

def test_mask_boxes_and_depth_agree(sampled):
    scenes, drawn = sampled
    floor = torch.from_numpy(-CAMERA[2] / camera_rays()[..., 2]).float()
    for scene, mask, depth, boxes in zip(scenes, drawn.mask, drawn.depth, drawn.boxes):
        for k in range(4):
            y, x = (mask == k).nonzero(as_tuple=True)
            if k >= len(scene.solids):
                assert not len(y) and boxes[k].isnan().all()
            elif len(y):
                x0, y0, x1, y1 = boxes[k]
                assert x0 <= x.min() and x.max() < x1 and y0 <= y.min() and y.max() < y1
                assert x1 - x0 <= x.max() - x.min() + 4 and y1 - y0 <= y.max() - y.min() + 4  # a tip is thinner than a pixel
                assert (depth[y, x] < floor[y, x]).all()
        assert torch.allclose(depth[mask < 0], floor[mask < 0], atol=1e-4)


def test_outlines_are_edges_and_the_bare_floor_has_none(sampled):
    _, drawn = sampled
    across = drawn.mask[:, :, 1:] != drawn.mask[:, :, :-1]
    near = drawn.edges[:, :, 1:] | drawn.edges[:, :, :-1]
    assert near[across].all()
    bare = (torch.nn.functional.max_pool2d((drawn.mask >= 0).float(), 5, 1, 2) == 0) & drawn.edges
    assert not bare.any()


def test_a_cube_shows_its_creases_and_a_sphere_does_not():
    inner = []
    for shape in ("cube", "sphere"):
        drawn = render([only(shape, rotation=0.5)])
        core = torch.nn.functional.max_pool2d((drawn.mask < 0).float(), 5, 1, 2)[0] == 0
        inner.append(int((drawn.edges[0] & core).sum()))
    assert inner[0] > 10 and inner[1] == 0


def test_kinds_and_ranges_of_what_is_returned(sampled):
    _, drawn = sampled
    n = len(drawn.image)
    assert drawn.image.dtype == torch.uint8 and drawn.image.shape == (n, 3, SIDE, SIDE)
    assert drawn.mask.dtype == torch.int8 and drawn.mask.shape == drawn.depth.shape == drawn.edges.shape == (n, SIDE, SIDE)
    assert drawn.edges.dtype == torch.bool and drawn.boxes.shape == (n, 4, 4)
    assert drawn.depth.isfinite().all() and drawn.depth.min() > 4 and drawn.depth.max() < 20


def test_solids_are_whole_and_seen(sampled):
    """Of sampled solids 1 in 40 touches the frame (33 of 1249 counted), and none is hidden so far that 12 pixels are left."""
    scenes, drawn = sampled
    boxes = [b for scene, of_scene in zip(scenes, drawn.boxes) for b in of_scene[: len(scene.solids)]]
    touching = sum(bool(b.min() <= 0 or b.max() >= SIDE) for b in boxes)
    seen = [int((mask == k).sum()) for scene, mask in zip(scenes, drawn.mask) for k in range(len(scene.solids))]
    assert touching <= 0.06 * len(boxes)
    assert min(seen) >= 12
    for scene, box in zip((s for s in scenes for _ in s.solids), boxes):
        if len(scene.solids) == 1:  # nothing in front: what is missing was cut
            assert box[2] - box[0] > 0.85 * render([_centred(scene)]).boxes[0, 0, [0, 2]].diff()


def _centred(scene: Scene) -> Scene:
    return Scene((replace(scene.solids[0], x=0.0),), scene.floor)


@pytest.mark.parametrize(("size", "least", "most"), [("small", 10, 18), ("large", 20, 31)])
def test_solids_are_as_large_as_the_code_of_the_autoencoder_needs(size, least, most):
    boxes = render([only(shape, size=size) for shape in SHAPES]).boxes[:, 0]
    widths = boxes[:, 2] - boxes[:, 0]
    assert widths.min() >= least and widths.max() <= most


# ---- light and colour ------------------------------------------------------------------------------------------------

def test_the_shadow_is_dark_and_lies_where_the_solid_hides_the_lamp():
    scene = only("cylinder", "gray", x=0.3, y=0.2)
    drawn = render([scene])
    rays = camera_rays()
    ground = np.array(CAMERA) - rays * (CAMERA[2] / rays[..., 2:])
    bare = drawn.mask[0].numpy() < 0
    bare[:, ::2] = False
    to_light = np.array(LIGHT) - ground[bare]
    to_light /= np.linalg.norm(to_light, axis=1, keepdims=True)
    dark = np.isfinite(march(scene, ground[bare], to_light, 1e-3, 6.0)[0])
    level = drawn.image[0].float().mean(0).numpy()[bare]
    assert dark.sum() > 25
    assert np.median(level[dark]) < 0.7 * np.median(level[~dark])
    assert (level[dark] < 0.85 * np.median(level[~dark])).mean() > 0.85
    assert (level[~dark] > 0.85 * np.median(level[~dark])).mean() > 0.9  # corners far from the lamp are darker too


def test_metal_glints_and_reflects_where_rubber_does_not():
    rubber, metal = render([only(material=m) for m in MATERIALS]).image.float()
    mask = render([only()]).mask[0] == 0
    assert torch.equal(rubber[:, ~mask][:, :100], metal[:, ~mask][:, :100])  # the floor is the same
    assert (rubber - metal).abs().mean(0)[mask].mean() > 10
    assert metal[:, mask].amin(0).max() > rubber[:, mask].amin(0).max() + 40  # the highlight is whiter


def test_a_mirror_shows_its_neighbour():
    ball = Solid("sphere", "gray", "large", "metal", -0.6, 0.0, 0.0)
    pictures = [Scene((ball, Solid("cube", c, "large", "rubber", 1.0, -0.6, 0.4)), "gray") for c in ("red", "green")]
    drawn = render(pictures)
    on_ball = (drawn.mask[0] == 0) & (drawn.mask[1] == 0)
    red, green = (image.float()[:, on_ball] for image in drawn.image)
    assert (red[0] - green[0]).max() > 15 and (green[1] - red[1]).max() > 5


def test_outlines_are_anti_aliased():
    """On the lit side of a ball the pixel of the outline lies between floor and paint in most rows."""
    drawn = render([only("sphere", "yellow", floor="slate")])
    blue, shares = drawn.image[0, 2].float(), []
    for row, line in enumerate(drawn.mask[0] == 0):
        if line.sum() >= 12:
            x = int(line.nonzero()[0])
            floor, paint = blue[row, x - 3], blue[row, x + 2]
            shares += ((blue[row, x - 1 : x + 1] - floor) / (paint - floor)).tolist()
    between = [0.15 < share < 0.85 for share in shares]
    assert len(shares) > 30 and sum(between) > len(shares) / 5


@pytest.mark.parametrize("material", MATERIALS)
def test_every_colour_is_nearest_to_its_own_paint(material):
    """By hue and saturation, as light and shade change the brightness; brightness tells brown from yellow."""
    scenes = [only(shape, colour, material=material) for colour in COLOURS for shape in SHAPES]
    drawn = render(scenes)
    for scene, image, mask in zip(scenes, drawn.image, drawn.mask):
        mean = image.float()[:, mask == 0].median(1).values / 255
        scales = torch.linspace(0.6, 1.4, 41)
        apart = (mean - scales[:, None, None] * PAINT).norm(dim=-1).amin(0)
        assert COLOURS[int(apart.argmin())] == scene.solids[0].colour


def test_floors_differ():
    corner = render([only(floor=f) for f in FLOORS]).image[:, :, -3:, 2].float().mean(-1)
    assert torch.cdist(corner, corner)[~torch.eye(len(FLOORS), dtype=torch.bool)].min() > 15


# ---- the same picture, however it is asked for ------------------------------------------------------------------------

@settings(max_examples=12, deadline=None)
@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_a_picture_does_not_depend_on_its_batch_or_place(indices, random):
    """To one grey level: sums may be taken in another order in another batch."""
    alone = [render([sample_scene(i)]) for i in indices]
    order = random.sample(range(len(indices)), len(indices))
    together = render([sample_scene(indices[i]) for i in order])
    for place, i in enumerate(order):
        apart = (together.image[place].int() - alone[i].image[0].int()).abs()
        assert apart.max() <= 1 or (apart > 1).float().mean() < 1e-3
        assert (together.mask[place] != alone[i].mask[0]).float().mean() < 1e-3
        assert torch.equal(together.boxes[place].isnan(), alone[i].boxes[0].isnan())


def test_the_same_call_gives_the_same_bytes():
    scenes = [sample_scene(i) for i in range(6)]
    first, second = render(scenes), render(scenes)
    assert torch.equal(first.image, second.image) and torch.equal(first.depth, second.depth)


def test_known_pixels_of_known_scenes():
    """Values that the shipped miniatures learned from: another picture would make them wrong without any error."""
    picture = render([sample_scene(0)]).image[0].int()
    known = {(2, 2): (122, 141, 164), (32, 32): (138, 159, 185), (40, 20): (146, 86, 33), (50, 45): (124, 25, 25)}
    for (y, x), colour in known.items():
        assert (picture[:, y, x] - torch.tensor(colour)).abs().max() <= 1


@pytest.mark.parametrize("resolution", [32, 96])
def test_another_resolution_shows_the_same_scene(resolution):
    scene = sample_scene(3)
    small, usual = render([scene], resolution), render([scene])
    assert small.image.shape == (1, 3, resolution, resolution)
    assert torch.allclose(small.boxes / resolution, usual.boxes / SIDE, atol=1.1 / resolution + 0.5 / SIDE, equal_nan=True)


def test_solids_do_not_depend_on_their_order():
    scene = next(s for s in map(sample_scene, range(50)) if len(s.solids) == 3)
    turned = render([scene, Scene(scene.solids[::-1], scene.floor)])
    assert (turned.image[0].int() - turned.image[1].int()).abs().float().mean() < 0.01
    assert torch.equal(turned.mask[0] >= 0, turned.mask[1] >= 0)
    assert torch.equal(turned.mask[0][turned.mask[0] >= 0], 2 - turned.mask[1][turned.mask[1] >= 0])


def test_an_empty_batch_is_an_error():
    with pytest.raises(ValueError, match="at least one"):
        render([])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_draws_the_same_pictures():
    scenes = [sample_scene(i) for i in range(20)]
    here, there = render(scenes), render(scenes, device="cuda")
    assert ((here.image.int() - there.image.cpu().int()).abs() > 2).float().mean() < 1e-3
    assert (here.mask != there.mask.cpu()).float().mean() < 1e-3


def test_the_bench_counts_renders_and_leaves_the_threads_alone():
    threads = torch.get_num_threads()
    rate = bench.renders(40)
    assert torch.get_num_threads() == threads
    assert 0 < rate.per_second <= 1.1 * rate.per_cpu_second
    assert "40 scenes" in bench.line(rate) and "bar: 250" in bench.line(rate)
