"""FID, KID and the features behind them equal torchmetrics' and torch-fidelity's on the same pictures, to a thousandth.

FID is compared on the network's first 64 features, of which there are fewer than pictures, so that no covariance is singular.
"""

import fidelity
import pytest
import torch

from experiments.metrics.features import extract
from experiments.metrics.frechet import fid, reference
from experiments.metrics.judged import inception_from
from experiments.metrics.kernel import kid_subsets

pytestmark = pytest.mark.skipif(bool(fidelity.available()), reason=fidelity.available() or "there")
MANY, FEW = 70, 10  # pictures for 64 features, and for 2048


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return fidelity.stand_in(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """Folders and pictures of two sets."""
    place = tmp_path_factory.mktemp("pictures")
    folders = [place / "drawn", place / "real"]
    return folders, [fidelity.pictures(MANY, seed, folder) for seed, folder in enumerate(folders, 1)]


def theirs(folders, weights, **asked):
    import torch_fidelity

    return torch_fidelity.calculate_metrics(
        input1=str(folders[0]), input2=str(folders[1]), feature_extractor_weights_path=str(weights), cuda=False, cache=False,
        verbose=False, batch_size=10, save_cpu_ram=True, **asked,
    )  # fmt: skip


def test_fid_equals_both_libraries_and_the_resize_filter_matters(sets, weights):
    from torchmetrics.image.fid import FrechetInceptionDistance

    found = {}
    for antialias in (False, True):
        drawn, real = (extract(images, inception_from(weights, "64", antialias), batch=10) for images in sets[1])
        found[antialias] = fid(drawn, reference(real))
    fidelitys = theirs(sets[0], weights, fid=True, feature_layer_fid="64")["frechet_inception_distance"]
    metric = FrechetInceptionDistance(feature=inception_from(weights, "64"), normalize=False).set_dtype(torch.float64)
    for images, is_real in zip(sets[1], (False, True), strict=True):
        for part in images.split(10):
            metric.update(part, real=is_real)
    print(f"FID: ours {found[False]:.6f} (antialiased {found[True]:.6f}), torch-fidelity {fidelitys:.6f}, torchmetrics {float(metric.compute()):.6f}")
    assert found[False] == pytest.approx(fidelitys, rel=1e-3)
    assert found[False] == pytest.approx(float(metric.compute()), rel=1e-3)
    assert found[True] != pytest.approx(fidelitys, rel=1e-3)


@pytest.fixture(scope="module")
def few(sets, weights, tmp_path_factory):
    """A few pictures of each set through all of the network: folders, pictures, network, our features."""
    place = tmp_path_factory.mktemp("few")
    folders = [place / "drawn", place / "real"]
    images = [fidelity.pictures(FEW, seed, folder) for seed, folder in enumerate(folders, 3)]
    network = inception_from(weights)
    return folders, images, network, [extract(part, network) for part in images]


def test_kid_equals_both_libraries(few, weights):
    """In subsets of all pictures nothing is random."""
    from torchmetrics.image.kid import KernelInceptionDistance

    folders, images, network, features = few
    ours = kid_subsets(*features, subsets=1, size=FEW).mean
    fidelitys = theirs(folders, weights, kid=True, kid_subset_size=FEW, kid_subsets=1)["kernel_inception_distance_mean"]
    metric = KernelInceptionDistance(feature=network, subsets=1, subset_size=FEW)
    for part, is_real in zip(images, (False, True), strict=True):
        metric.update(part, real=is_real)
    print(f"KID: ours {ours:.6f}, torch-fidelity {fidelitys:.6f}, torchmetrics {float(metric.compute()[0]):.6f}")
    assert ours == pytest.approx(fidelitys, rel=1e-3)
    assert ours == pytest.approx(float(metric.compute()[0]), rel=1e-3)


def test_features_are_torch_fidelitys_own(few, weights):
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    own = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], feature_extractor_weights_path=str(weights)).eval()
    with torch.no_grad():
        (seen,) = own(few[1][0])
    assert torch.allclose(few[3][0], seen.double(), rtol=1e-4, atol=1e-5)
