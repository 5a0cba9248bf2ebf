"""Processes that draw a share of a set, begun from a server without threads.

The process of the tests has threads of several libraries by the time these run; a copy of it by `fork` may wait for ever for a
lock that a thread held. The server has imported what drawing needs and nothing else, so its copies begin within milliseconds.
"""

import multiprocessing

import huggingface_hub
import torch

from experiments.models.systems import find
from experiments.sampling.worker import draw

PATIENCE = 120  # seconds for one share, some ten times what it takes on two slow cores
_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(
    ["experiments.sampling.worker", "diffusers.pipelines.flux.pipeline_flux", "transformers.models.t5.modeling_t5"]
)


def share(name, cache, jobs, out, settings):
    """A begun process that draws one worker's share with the system `name` of the hub's cache `cache`."""
    process = _SERVER.Process(target=_draw, args=(name, str(cache), jobs, out, settings), daemon=True)
    process.start()
    return process


def _draw(name, cache, jobs, out, settings):
    huggingface_hub.constants.HF_HUB_CACHE = cache
    torch.set_num_threads(1)
    list(draw(find(name), jobs, out, settings))


def finish(process):
    """Wait for its good end."""
    process.join(PATIENCE)
    assert process.exitcode == 0, "hung" if process.is_alive() else process.exitcode
