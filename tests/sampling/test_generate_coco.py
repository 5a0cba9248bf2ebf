"""Every system of the lecture, in small, draws COCO: offline, resumable at any moment, the same bytes by any number of workers."""

import copy
import errno
import json
import os
import random
import shutil
import subprocess
import sys
import time

import pytest
import torch
from coco_layout import SPLIT
from drawing_processes import PATIENCE, finish, share
from hub_layout import FAST

from experiments import __main__ as command
from experiments.artefacts import StorageError
from experiments.models import hub
from experiments.models.systems import SYSTEMS, UnknownSystem, find
from experiments.sampling import worker
from experiments.sampling.bench import whole
from experiments.sampling.coco_run import duration, generate_coco
from experiments.sampling.jobs import Jobs, freeze
from experiments.sampling.sets import complete
from experiments.sampling.worker import Settings, draw

SMALL = Settings(**FAST, batch=2, device="cpu")


# ---- every system ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_release_draws_offline_what_a_plain_loop_of_its_pipeline_draws(name, release, coco, tmp_path):
    release(name)
    found = whole(find(name), freeze(coco, 3), tmp_path, SMALL)
    assert 1 - found.difference > 0.999
    made = complete(next(path.parent for path in tmp_path.glob("*/plan.json")))
    assert len(made) == 3 and made.picture(0).shape == (3, 64, 64) and set(made.flags.values()) == {0}
    assert len({picture.numpy().tobytes() for picture in made.pictures()}) == 3
    assert made.plan["system"] == name and made.plan["dtype"] == "float32" and made.plan["weights"]


# ---- one system, pulled about ----------------------------------------------------------------------------------------


@pytest.fixture
def ready(release, monkeypatch):
    """FLUX.1 [schnell] in small, loaded once."""
    release("flux1-schnell")
    system = find("flux1-schnell")
    pipeline = hub.load(hub.fetch(system), torch.float32)
    monkeypatch.setattr(worker.hub, "load", lambda source, dtype: copy.copy(pipeline))
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    torch.set_num_threads(1)
    return system


def content(folder) -> dict[str, bytes]:
    """Every file of all sets below `folder` but for the seconds that batches took."""
    files = [file for file in folder.rglob("*") if file.is_file() and file.parent.name != "seconds"]
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def test_1_2_and_4_workers_draw_the_same_bytes(release, hub_cache, coco, tmp_path):
    release("flux1-schnell")
    jobs, sets = freeze(coco, 9), {}
    for workers in (1, 2, 4):
        out = tmp_path / str(workers)
        settings = [Settings(**FAST, batch=2, device="cpu", worker=k, workers=workers) for k in range(workers)]
        for process in [share("flux1-schnell", hub_cache, jobs, out, one) for one in settings]:
            finish(process)
        sets[workers] = content(out)
    assert len(sets[1]) == 1 + 1 + 1 + 5 + 9  # list, plan, manifest, batches, pictures
    assert sets[1] == sets[2] == sets[4]


def kill_at_random(process, out, chance) -> bool:
    """Kill it within moments of its next pictures, of which none, one or two are awaited; false where it ended before."""
    wanted = len(list(out.glob("*/pictures/*"))) + chance.randrange(3)
    until = time.monotonic() + PATIENCE
    while process.is_alive() and len(list(out.glob("*/pictures/*"))) < wanted:
        assert time.monotonic() < until, "hung"
        time.sleep(0.001)
    process.join(chance.uniform(0, 0.05))
    killed = process.is_alive()
    process.kill()
    process.join(PATIENCE)
    return killed


def test_killed_twenty_times_it_ends_with_the_same_bytes(ready, hub_cache, coco, tmp_path):
    jobs, chance, killed = freeze(coco, 12, seeds=(0, 1)), random.Random(0), tmp_path / "killed"
    settings = Settings(**FAST, batch=1, device="cpu")
    finish(share("flux1-schnell", hub_cache, jobs, tmp_path / "calm", settings))
    kills = 0
    while kills < 20:
        if kill_at_random(share("flux1-schnell", hub_cache, jobs, killed, settings), killed, chance):
            kills += 1
        else:  # it was drawn to the end: begin again, so that every kill hits a run
            assert len(complete(next(path.parent for path in killed.glob("*/plan.json")))) == 24
            shutil.rmtree(killed)
    list(draw(ready, jobs, killed, settings))
    assert content(killed) == content(tmp_path / "calm")
    assert len(complete(next(path.parent for path in killed.glob("*/plan.json")))) == 24


def test_what_was_finished_is_not_drawn_again(ready, coco, tmp_path, monkeypatch):
    jobs = freeze(coco, 4)
    list(draw(ready, jobs, tmp_path, SMALL))
    made = next(path.parent for path in tmp_path.glob("*/plan.json"))
    times = {file: file.stat().st_mtime_ns for file in (made / "pictures").iterdir()}
    (made / "pictures" / jobs.jobs[3].file).unlink()
    steps = list(draw(ready, jobs, tmp_path, SMALL))
    assert [(step.there, step.wanted, step.left) for step in steps] == [(4, 4, 0)]
    kept = [job.file for job in jobs.jobs[:2]]
    assert all((made / "pictures" / name).stat().st_mtime_ns == times[made / "pictures" / name] for name in kept)
    monkeypatch.setattr(worker.hub, "load", lambda *_: pytest.fail("nothing is left to draw"))
    assert list(draw(ready, jobs, tmp_path, SMALL)) == []


def test_in_portions_the_same_bytes(release, coco, tmp_path, monkeypatch):
    release("flux1-schnell")
    system, jobs = find("flux1-schnell"), freeze(coco, 6)
    list(draw(system, jobs, tmp_path / "all", SMALL))
    monkeypatch.setattr(worker, "WORDS", 1e-12)
    list(draw(system, jobs, tmp_path / "few", SMALL))
    assert content(tmp_path / "all") == content(tmp_path / "few")


def test_a_really_full_disk_is_one_line_and_keeps_what_was_finished(ready, coco, small_disk):
    jobs = freeze(coco, 12)
    (small_disk / "filling").write_bytes(b"0" * (1024 - 110) * 1024)
    with pytest.raises(StorageError, match="the disk is full; free some space and run the same command again"):
        list(draw(ready, jobs, small_disk, SMALL))
    records = list(small_disk.glob("*/batches/*.json"))
    assert 0 < len(records) < 6
    (small_disk / "filling").unlink()
    before = {record: record.read_bytes() for record in records}
    list(draw(ready, jobs, small_disk, SMALL))
    assert len(complete(next(path.parent for path in small_disk.glob("*/plan.json")))) == 12
    assert all(record.read_bytes() == kept for record, kept in before.items())


def test_a_picture_that_is_not_finite_is_flagged_and_the_rest_goes_on(ready, coco, tmp_path, monkeypatch):
    real = worker.Staged.decode

    def overflowing(self, caught, size=None):
        pictures, flagged = real(self, caught, size)
        return pictures.index_fill(0, torch.tensor([0]), float("nan")), flagged

    monkeypatch.setattr(worker.Staged, "decode", overflowing)
    list(draw(ready, freeze(coco, 4), tmp_path, SMALL))
    made = complete(next(path.parent for path in tmp_path.glob("*/plan.json")))
    assert made.flags == {"black": 2, "constant": 2, "non-finite": 2, "safety-replaced": 0}


def test_a_failure_while_storing_is_not_swallowed(ready, coco, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.EIO, "input/output error")

    monkeypatch.setattr(worker.Set, "write", refuse)
    with pytest.raises(OSError, match="input/output"):
        list(draw(ready, freeze(coco, 4), tmp_path, SMALL))


# ---- several systems -------------------------------------------------------------------------------------------------


def test_a_system_that_cannot_be_had_does_not_stop_the_others(release, coco, tmp_path):
    release("flux1-schnell")
    said = []
    made = generate_coco(["flux1-schnell@1234", "flux1-schnell"], coco, 2, tmp_path, settings=SMALL, say=said.append)
    assert list(made.folders) == ["flux1-schnell"] and "is not in the hub's cache" in made.failed["flux1-schnell@1234"]
    assert said[0] == "flux1-schnell@1234: not drawn" and said[1].startswith("flux1-schnell: 2 of 2 pictures, ")
    assert len(made.sets()["flux1-schnell"]) == 2


def test_a_full_gpu_is_one_line_and_keeps_what_was_finished(ready, coco, tmp_path, monkeypatch):
    real, calls = worker.Staged.denoise, []

    def full(self, *given, **call):
        calls.append(1)
        if len(calls) == 3:
            raise torch.cuda.OutOfMemoryError
        return real(self, *given, **call)

    monkeypatch.setattr(worker.Staged, "denoise", full)
    made = generate_coco(["flux1-schnell"], coco, 12, tmp_path, settings=SMALL, say=lambda text: None)
    assert made.failed["flux1-schnell"].startswith("flux1-schnell: the GPU's memory is full: ask for a smaller --batch")
    assert len(list(tmp_path.glob("*/batches/*.json"))) == 2


def test_a_wrong_name_stops_before_anything_is_drawn(coco, tmp_path):
    with pytest.raises(UnknownSystem, match="did you mean 'sdxl'"):
        generate_coco(["sd1.5", "sdlx"], coco, 2, tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_command_says_what_it_did_and_what_it_could_not(release, coco, tmp_path, capsys):
    release("flux1-schnell")
    line = f"generate --coco {coco} --n 2 --out {tmp_path} --steps 2 --resolution 64 --batch 2 --device cpu --models".split()
    assert command.main([*line, "[flux1-schnell]"]) == 0
    assert "flux1-schnell: complete, in " in capsys.readouterr().out
    assert command.main([*line, "flux1-schnell, sdxl@1234"]) == 1
    said = capsys.readouterr()
    assert said.err.startswith("error: sdxl: ") and said.err.count("\n") == 1 and "flux1-schnell: complete" in said.out


WRONG = [({"--models": "sdlx"}, "did you mean 'sdxl'"), ({"--n": "99"}, "ask for 1 to 12"), ({"--split": "x"}, "captions_x.json")]


@pytest.mark.parametrize(("change", "said"), WRONG)
def test_a_wrong_command_is_one_line(coco, tmp_path, capsys, change, said):
    options = {"--models": "sdxl", "--coco": str(coco), "--n": "2", "--out": str(tmp_path), "--split": SPLIT} | change
    assert command.main(["generate", *sum(map(list, options.items()), [])]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and said in error


def test_a_worker_knows_its_share_from_its_launcher(monkeypatch):
    """What `accelerate launch` and torchrun set."""
    assert worker.share_from_environment() == {"worker": 0, "workers": 1}
    monkeypatch.setenv("RANK", "3")
    monkeypatch.setenv("WORLD_SIZE", "8")
    assert worker.share_from_environment() == {"worker": 3, "workers": 8}


def test_accelerate_launches_two_real_processes(ready, hub_cache, coco, tmp_path):
    line = "-m accelerate.commands.accelerate_cli launch --multi_gpu --num_processes 2 --main_process_port 0 -m experiments generate"
    line += f" --models flux1-schnell --coco {coco} --n 4 --out {tmp_path / 'two'} --steps 2 --resolution 64 --batch 1 --device cpu"
    environment = os.environ | {"HF_HUB_CACHE": str(hub_cache), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, *line.split()], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "worker 0 of 2, flux1-schnell: " in done.stdout and "worker 1 of 2, flux1-schnell: " in done.stdout
    list(draw(ready, freeze(coco, 4), tmp_path / "one", Settings(**FAST, batch=1, device="cpu")))
    assert content(tmp_path / "two") == content(tmp_path / "one")


def test_a_plan_names_all_that_decides_a_byte(ready, coco, tmp_path):
    jobs = freeze(coco, 2)
    for settings in (SMALL, Settings(steps=3, resolution=64, batch=2, device="cpu"), Settings(**FAST, batch=1, device="cpu")):
        list(draw(ready, jobs, tmp_path, settings))
    list(draw(ready, Jobs(SPLIT, jobs.jobs[:1]), tmp_path, SMALL))
    plans = [json.loads(path.read_text()) for path in tmp_path.glob("*/plan.json")]
    assert len(plans) == 4
    assert {"revisions", "weights", "arguments", "dtype", "device", "versions", "code", "jobs", "batch"} <= plans[0].keys()


@pytest.mark.parametrize(("seconds", "said"), [(0, "0 s"), (59.4, "59 s"), (185, "3 min 05 s"), (11_460, "3 h 11 min")])
def test_time_left(seconds, said):
    assert duration(seconds) == said
