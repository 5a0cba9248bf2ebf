"""The graph of commands: a dry run of the worked example, and a local run of two chapters with two models."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import pytest
import yaml

from experiments.artefacts import ROOT

OWN = ROOT / ".cluster" / "bin" / "snakemake"
SNAKEMAKE = str(OWN) if OWN.is_file() else shutil.which("snakemake")
needed = pytest.mark.skipif(SNAKEMAKE is None, reason="Snakemake is an optional extra: `make cluster` installs it")
CONFIGS = sorted((ROOT / "workflow").glob("*.yaml"))
PROFILES = sorted((ROOT / "workflow").glob("*/config.yaml"))


def snakemake(folder, *words):
    environment = {**os.environ, "PATH": f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}", "XDG_CACHE_HOME": str(folder / ".cache")}
    line = [SNAKEMAKE, "--snakefile", "workflow/Snakefile", "--nocolor", *words]
    return subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_step_has_a_command_whose_names_are_there(path):
    held = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert set(held["steps"]) == {"generate", "score", "chapter", "book"}
    known = {*held, "model", "chapter", "out"}
    for step in held["steps"].values():
        assert set(re.findall(r"(?<!\{)\{(\w+)\}", step)) <= known


@needed
@pytest.mark.parametrize("profile", [None, *(path.parent.name for path in PROFILES)])
def test_a_dry_run_plans_every_step_of_every_model_and_chapter(profile, tmp_path):
    shutil.copytree(ROOT / "workflow", tmp_path / "workflow")
    shutil.copytree(ROOT / "book", tmp_path / "book", ignore=shutil.ignore_patterns("results", "_*"))
    shutil.copy(ROOT / "_toc.yml", tmp_path)
    how = ["--workflow-profile", f"workflow/{profile}"] if profile else ["--cores", "2"]
    how += ["--default-storage-prefix", str(tmp_path / "volume")] if profile == "kubernetes" else []
    said = snakemake(tmp_path, "--dry-run", *how)
    assert said.returncode == 0, said.stdout + said.stderr
    chapters = re.findall(r"book/(\d\d-[\w-]+)", (tmp_path / "_toc.yml").read_text())
    planned = dict(re.findall(r"^(generate|score|chapter|book)\s+(\d+)$", said.stdout, re.MULTILINE))
    assert planned == {"generate": "2", "score": "2", "chapter": str(len(chapters)), "book": "1"}


@needed
def test_two_chapters_with_two_models_run_and_a_second_run_does_nothing(tree):
    shutil.copytree(ROOT / "workflow", tree.root / "workflow")
    draw = "mkdir -p {out} && echo picture > {out}/{model}.png"
    steps = {
        "generate": draw,
        "score": "grep -q picture {out}/{model}.png && echo 1.0 > {out}/{model}.score",
        "chapter": "python -m experiments chapter --result {chapter} scale={scale}",
        "book": "python -m experiments build --scale {scale} --no-pages",
    }
    config = {"scale": "smoke", "models": ["alpha", "beta"], "steps": steps}
    (tree.root / "toy.yaml").write_text(yaml.safe_dump(config))
    toc = yaml.safe_load((tree.root / "_toc.yml").read_text())
    assert len(toc["chapters"]) == 2
    said = snakemake(tree.root, "--cores", "2", "--configfile", "toy.yaml")
    assert said.returncode == 0, said.stdout + said.stderr
    out = tree.root / "_build" / "workflow"
    assert sorted(path.name for path in (out / "out").iterdir()) == ["alpha.png", "alpha.score", "beta.png", "beta.score"]
    assert "nothing was executed" in (out / "logs" / "book.log").read_text(), "the book takes up what the jobs left"
    again = snakemake(tree.root, "--cores", "2", "--configfile", "toy.yaml")
    assert "Nothing to be done" in again.stdout + again.stderr


@needed
def test_a_broken_step_names_its_log_and_keeps_what_was_done(tree):
    shutil.copytree(ROOT / "workflow", tree.root / "workflow")
    steps = {"generate": "test {model} = alpha", "score": "true", "chapter": "true", "book": "true"}
    (tree.root / "toy.yaml").write_text(yaml.safe_dump({"scale": "smoke", "models": ["alpha", "beta"], "steps": steps}))
    said = snakemake(tree.root, "--cores", "1", "--keep-going", "--configfile", "toy.yaml")
    assert said.returncode and "generate-beta.log" in said.stdout + said.stderr
    assert (tree.root / "_build" / "workflow" / "generated" / "alpha.done").is_file()
