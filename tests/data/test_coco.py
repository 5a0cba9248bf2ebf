"""MS-COCO's format: what we write, pycocotools reads; COCO's own oddities, we read."""

import contextlib
import datetime
import errno
import io
import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image
from pycocotools import mask as rle
from pycocotools.coco import COCO

from experiments.artefacts import StorageError
from experiments.data.captions import caption
from experiments.data.coco import CocoError, export, read, run_lengths
from experiments.data.render import render
from experiments.data.scenes import SHAPES, sample_scene

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools on numpy 2
DAY = datetime.date(2026, 1, 2)
ODD = {  # id: (mode, size, captions), in an order that is not that of the ids
    397133: ("RGB", (64, 48), ["A man in a kitchen.\n", "  a  cook ", "c", "d", "e", "six captions"]),
    37777: ("L", (48, 64), ["a grey picture", "b", "c", "d", "e"]),
    139: ("CMYK", (64, 64), ["un café à Đà Nẵng", "红色的立方体", "c", "d", "e"]),
    285: ("P", (40, 40), ["a palette", "b", "c", "d", "e"]),
    632: ("RGBA", (40, 40), ["half transparent", "b", "c", "d", "e"]),
}


def noise(mode, size):
    values = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(values).convert(mode)


@pytest.fixture
def odd(tmp_path):
    """A folder laid out as COCO 2017 is, with its oddities."""
    (tmp_path / "val2017").mkdir()
    (tmp_path / "annotations").mkdir()
    images, annotations = [], []
    for number, (mode, size, said) in ODD.items():
        name = f"{number:012d}.{'png' if mode in ('P', 'RGBA') else 'jpg'}"
        noise(mode, size).save(tmp_path / "val2017" / name)
        images.append({"license": 4, "file_name": name, "height": size[1], "width": size[0], "id": number,
                       "coco_url": f"http://images.cocodataset.org/val2017/{name}"})
        annotations += [{"image_id": number, "id": 900_000 - number + 7 * k, "caption": c} for k, c in enumerate(said)]
    annotations = annotations[::2] + annotations[1::2]  # an image's captions are not neighbours in COCO's files
    write(tmp_path, {"info": {}, "licenses": [], "images": images, "annotations": annotations})
    return tmp_path


def write(folder, content, split="val2017"):
    path = folder / "annotations" / f"captions_{split}.json"
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def rewrite(folder, change):
    path = folder / "annotations" / "captions_val2017.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    write(folder, content)


def quietly(path):
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(path)


# ---- reading --------------------------------------------------------------------------------------------------------

def test_images_and_captions_as_pycocotools_reads_them(odd):
    mine, theirs = read(odd, "val2017"), quietly(odd / "annotations" / "captions_val2017.json")
    assert [p.id for p in mine.images] == sorted(ODD) and len(mine) == 5
    for picture, said in zip(mine.images, mine.captions):
        expected = sorted(theirs.imgToAnns[picture.id], key=lambda a: a["id"])
        assert list(said) == [" ".join(a["caption"].split()) for a in expected]
        assert (picture.width, picture.height) == ODD[picture.id][1]


def test_six_captions_stray_white_space_and_letters_of_all_languages(odd):
    said = dict(zip([p.id for p in read(odd, "val2017").images], read(odd, "val2017").captions))
    assert said[397133] == ("A man in a kitchen.", "a cook", "c", "d", "e", "six captions")
    assert said[139][:2] == ("un café à Đà Nẵng", "红色的立方体")


def test_every_mode_becomes_rgb(odd):
    coco = read(odd, "val2017")
    for i, picture in enumerate(coco.images):
        found = coco.image(i)
        assert found.dtype == torch.uint8 and found.is_contiguous()
        assert tuple(found.shape) == (3, picture.height, picture.width)
        assert coco.image(i, 32).shape == (3, 32, 32)
    grey = coco.image([p.id for p in coco.images].index(37777))
    assert torch.equal(grey[0], grey[1]) and torch.equal(grey[0], grey[2])


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_pixels_are_white(odd, mode):
    image = Image.new("RGBA", (40, 40), (200, 0, 0, 0)).convert(mode)
    palette = {"transparency": image.getpixel((0, 0))} if mode == "P" else {}
    image.save(odd / "val2017" / "000000000632.png", **palette)
    coco = read(odd, "val2017")
    assert (coco.image([p.id for p in coco.images].index(632)) == 255).all()


def test_the_middle_is_kept_and_the_filter_is_pillows(odd):
    coco = read(odd, "val2017")
    i = [p.id for p in coco.images].index(397133)
    stored = Image.fromarray(coco.image(i).permute(1, 2, 0).numpy())
    for name, filter in (("bicubic", Image.BICUBIC), ("lanczos", Image.LANCZOS), ("box", Image.BOX)):
        expected = np.asarray(stored.crop((8, 0, 56, 48)).resize((24, 24), filter))
        assert np.array_equal(coco.image(i, 24, name).permute(1, 2, 0).numpy(), expected)
    assert torch.equal(coco.image(i, 48), coco.image(i)[:, :, 8:56])
    with pytest.raises(ValueError, match="'cubic' is not one of nearest, .*bicubic"):
        coco.image(i, 24, "cubic")


def damage(odd):
    pictures = odd / "val2017"
    (pictures / "000000000139.jpg").unlink()
    whole = (pictures / "000000037777.jpg").read_bytes()
    (pictures / "000000037777.jpg").write_bytes(whole[: len(whole) // 2])
    whole = (pictures / "000000000285.png").read_bytes()
    (pictures / "000000000285.png").write_bytes(whole[: len(whole) // 2])
    (pictures / "000000000632.png").write_text("<html>404</html>")
    return {139: "missing", 37777: "truncated", 285: "truncated", 632: "not a picture"}


def test_missing_and_truncated_images_are_named(odd):
    reasons = damage(odd)
    coco = read(odd, "val2017")
    for i, picture in enumerate(coco.images):
        if picture.id in reasons:
            expected = f"image {picture.id} .*{reasons[picture.id]}.*fetch it again"
            with pytest.raises(CocoError, match=expected) as caught:
                coco.image(i)
            assert picture.file in str(caught.value) and "\n" not in str(caught.value)


def test_damaged_images_can_be_listed_and_left_out(odd):
    reasons = damage(odd)
    coco = read(odd, "val2017")
    found = {b.picture.id: b.reason for b in coco.broken()}
    assert found.keys() == reasons.keys() and all(reasons[k] in found[k] for k in reasons)
    rest = coco.without(coco.broken())
    assert [p.id for p in rest.images] == [397133] and len(rest.captions) == 1 and not rest.broken()
    assert rest.image(0).shape == (3, 48, 64) and len(coco) == 5


def test_an_image_without_captions_is_kept(odd):
    rewrite(odd, lambda c: c.update(annotations=[a for a in c["annotations"] if a["image_id"] != 285]))
    coco = read(odd, "val2017")
    assert len(coco) == 5 and coco.captions[[p.id for p in coco.images].index(285)] == ()


def test_a_byte_order_mark_is_no_obstacle(odd):
    path = odd / "annotations" / "captions_val2017.json"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(read(odd, "val2017")) == 5


@pytest.mark.parametrize("change, named", [
    (lambda c: c["annotations"].append({"id": 5, "image_id": 77, "caption": "x"}), "caption 5 .*image 77"),
    (lambda c: c["images"].append(c["images"][0]), "1 images twice"),
    (lambda c: c["annotations"].append({"id": 5, "image_id": 139, "bbox": []}), "lacks 'caption'.*captions_"),
    (lambda c: c.pop("annotations"), "lacks images or annotations"),
])
def test_wrong_annotations_are_named(odd, change, named):
    rewrite(odd, change)
    with pytest.raises(CocoError, match=named):
        read(odd, "val2017")


def test_absent_and_half_written_files(odd, tmp_path):
    with pytest.raises(CocoError, match="captions_train2017.json: it has captions for val2017"):
        read(odd, "train2017")
    with pytest.raises(CocoError, match="unpack COCO's annotations"):
        read(tmp_path / "nowhere", "val2017")
    path = odd / "annotations" / "captions_val2017.json"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CocoError, match="cut short"):
        read(odd, "val2017")


# ---- writing --------------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("coco")
    return export(folder, "test", 24, start=100, seed=2, languages=("en", "zh", "vi"), date=DAY)


@pytest.fixture(scope="module")
def drawn():
    scenes = [sample_scene(i, 2, "test") for i in range(100, 124)]
    return scenes, render(scenes)


@pytest.mark.parametrize("language", ["en", "zh", "vi"])
def test_round_trip_of_pictures_and_captions(exported, drawn, language):
    scenes, rendering = drawn
    coco = read(exported, "test", language)
    assert [p.id for p in coco.images] == list(range(101, 125)) and not coco.broken()
    for i, scene in enumerate(scenes):
        assert torch.equal(coco.image(i), rendering.image[i])
        assert coco.captions[i] == tuple(caption(scene, language, k) for k in range(5))


def test_pycocotools_reads_our_captions(exported, drawn):
    theirs = quietly(exported / "annotations" / "captions_test.json")
    assert theirs.getImgIds() == list(range(101, 125)) and len(theirs.getAnnIds()) == 120
    said = [a["caption"] for a in theirs.loadAnns(theirs.getAnnIds(imgIds=[105]))]
    assert said == [caption(drawn[0][4], "en", k) for k in range(5)]
    for entry in theirs.loadImgs(theirs.getImgIds()):
        assert len(entry["file_name"].split(".")[0]) == 12 and (exported / "test" / entry["file_name"]).exists()


def test_pycocotools_reads_our_boxes_and_masks(exported, drawn):
    scenes, rendering = drawn
    theirs = quietly(exported / "annotations" / "instances_test.json")
    assert [c["name"] for c in theirs.loadCats(theirs.getCatIds())] == list(SHAPES)
    for i, scene in enumerate(scenes):
        found = theirs.loadAnns(theirs.getAnnIds(imgIds=[101 + i]))
        visible = [k for k in range(len(scene.solids)) if (rendering.mask[i] == k).any()]
        assert len(found) == len(visible)
        for annotation, k in zip(found, visible):
            mask = theirs.annToMask(annotation).astype(bool)
            assert np.array_equal(mask, rendering.mask[i].numpy() == k) and annotation["area"] == mask.sum()
            assert annotation["bbox"] == rle.toBbox(theirs.annToRLE(annotation)).tolist()
            assert theirs.loadCats(annotation["category_id"])[0]["name"] == scene.solids[k].shape
            assert annotation["attributes"]["colour"] == scene.solids[k].colour


def test_the_files_have_coco_s_keys(exported):
    captions = json.loads((exported / "annotations" / "captions_test.json").read_text(encoding="utf-8"))
    assert captions.keys() == {"info", "licenses", "images", "annotations"}
    assert captions["info"].keys() == {"description", "url", "version", "year", "contributor", "date_created"}
    assert captions["info"]["date_created"] == "2026/01/02" and captions["info"]["year"] == 2026
    keys = {"license", "file_name", "coco_url", "height", "width", "date_captured", "flickr_url", "id"}
    assert captions["images"][0].keys() == keys
    assert captions["annotations"][0].keys() == {"image_id", "id", "caption"}
    instances = json.loads((exported / "annotations" / "instances_test.json").read_text(encoding="utf-8"))
    keys = {"segmentation", "area", "iscrowd", "image_id", "bbox", "category_id", "id"}
    assert keys <= instances["annotations"][0].keys()


def test_a_second_export_gives_the_same_bytes(exported, tmp_path):
    again = export(tmp_path, "test", 24, start=100, seed=2, languages=("en", "zh", "vi"), date=DAY)
    files = sorted(p.relative_to(exported) for p in exported.rglob("*") if p.is_file())
    assert len(files) == 24 + 4 and files == sorted(p.relative_to(again) for p in again.rglob("*") if p.is_file())
    assert all((exported / f).read_bytes() == (again / f).read_bytes() for f in files)


def test_a_part_is_the_same_as_in_the_whole(exported, tmp_path):
    part = read(export(tmp_path, "test", 2, start=121, seed=2, date=DAY), "test")
    whole = read(exported, "test")
    assert part.images == whole.images[21:23] and part.captions == whole.captions[21:23]
    assert torch.equal(part.image(1), whole.image(22))


def test_a_new_export_replaces_the_pictures_of_the_old_one(tmp_path):
    export(tmp_path, "train", 3, date=DAY)
    coco = read(export(tmp_path, "train", 1, extension="jpg", resolution=32, date=DAY), "train")
    assert [p.name for p in (tmp_path / "train").iterdir()] == ["000000000001.jpg"]
    assert coco.image(0).shape == (3, 32, 32)


def test_export_refuses_nonsense_and_names_what_stands_in_the_way(tmp_path):
    for wrong in ({"n": 0}, {"n": 1, "start": -1}, {"n": 1, "extension": "gif"}, {"n": 1, "languages": ["fr"]}):
        with pytest.raises(ValueError):
            export(tmp_path / "never", "train", **wrong)
    assert not (tmp_path / "never").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="a file stands where a folder is needed"):
        export(tmp_path / "file" / "inside", "train", 1)


def test_a_full_disk_leaves_the_earlier_export(tmp_path, monkeypatch):
    before = read(export(tmp_path, "train", 2, date=DAY), "train").image(1)

    def refuse(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", refuse)
    with pytest.raises(StorageError, match="disk is full"):
        export(tmp_path, "train", 5)
    assert torch.equal(read(tmp_path, "train").image(1), before) and len(list(tmp_path.iterdir())) == 2


@given(arrays.arrays(bool, arrays.array_shapes(min_dims=2, max_dims=2, max_side=9)))
def test_run_lengths_are_coco_s(mask):
    counts = run_lengths(mask)
    assert sum(counts) == mask.size and all(c > 0 for c in counts[1:])
    decoded = rle.decode(rle.frPyObjects({"size": list(mask.shape), "counts": counts}, *mask.shape))
    assert np.array_equal(decoded.astype(bool), mask)
