"""From a system's row to a pipeline: its files found in the hub's cache or fetched, looked at before they are loaded.

What is wrong with a repository is said in one line before hours are spent: a licence that was not accepted, a revision
that is not there, a component without weights, a shard that is cut short or altered.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from huggingface_hub import HfApi, hf_hub_download, snapshot_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from experiments.artefacts import file_hash
from experiments.models.systems import System

OWN = {"InstaFlowPipeline": "experiments.models.pipelines.insta_flow"}
TWO_STAGES = {
    "KandinskyCombinedPipeline": ("KandinskyPipeline", "KandinskyPriorPipeline"),
    "KandinskyV22CombinedPipeline": ("KandinskyV22Pipeline", "KandinskyV22PriorPipeline"),
}
INDEX = "model_index.json"


class WeightsError(RuntimeError):
    """A system's files cannot be had or used; the message is one line that says which, why and what to do."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows: the message alone, for no code is at fault."""
        return [f"WeightsError: {self}"]


@dataclass(frozen=True)
class Source:
    """Where a system's files lie: a snapshot of the hub or a local folder, and the prior's of a system in two stages."""

    system: System
    folder: Path
    prior: Path | None = None

    @property
    def revisions(self) -> dict[str, str]:
        """The commit of each repository, or the content's hash of a local folder."""
        if self.system.folder:
            return {self.system.name: hashlib.sha256(json.dumps(self.hashes()).encode()).hexdigest()}
        return {hub: folder.name for hub, folder in ((self.system.hub, self.folder), (self.system.prior, self.prior)) if folder}

    def files(self) -> Iterator[tuple[str, Path]]:
        """Every file of weights that loading reads, with its name inside the repository."""
        for folder, above in ((self.folder, ""), (self.prior, "prior/")):
            if folder:
                yield from ((f"{above}{part}/{file.name}", file) for part, file in _weights(folder, self.system))

    def hashes(self) -> dict[str, str]:
        """SHA-256 of each file of weights. Raises WeightsError where the hub's cache says that it should be another."""
        found = {}
        for name, file in self.files():
            found[name] = file_hash(file)
            blob = file.resolve().name
            if file.is_symlink() and re.fullmatch("[0-9a-f]{64}", blob) and blob != found[name]:
                what = f"{name} is damaged, its SHA-256 is not that of the hub"
                raise WeightsError(f"{self.system.name}: {what}: delete {file.resolve()} and fetch it again")
        return found


# ---- finding ---------------------------------------------------------------------------------------------------------


def fetch(system: System) -> Source:
    """The files of `system`, from the hub's cache where they are complete, else downloaded, and looked at.

    Raises WeightsError where they cannot be had, or where a component or a shard is missing or cut short.
    """
    if system.folder:
        source = Source(system, Path(system.folder))
    else:
        prior = _snapshot(system, system.prior, system.prior_revision) if system.prior else None
        source = Source(system, _snapshot(system, system.hub, system.revision), prior)
    for _, file in source.files():
        _check(file, system)
    return source


def _snapshot(system: System, hub: str, revision: str) -> Path:
    """The snapshot of a repository at a revision; downloads what is missing of it."""
    try:
        folder = Path(snapshot_download(hub, revision=revision, local_files_only=True))
        list(_weights(folder, system))
        return folder
    except (LocalEntryNotFoundError, WeightsError) as lacking:
        return _download(system, hub, revision, lacking)


def _download(system: System, hub: str, revision: str, lacking: Exception) -> Path:
    licence = f"accept {system.licence} on its page on the hub, then set HF_TOKEN or run `hf auth login`"
    try:
        names = [file.rfilename for file in HfApi().model_info(hub, revision=revision).siblings]
        index = json.loads(Path(hf_hub_download(hub, INDEX, revision=revision)).read_text(encoding="utf-8"))
        return Path(snapshot_download(hub, revision=revision, allow_patterns=needed(names, index, system.variant)))
    except GatedRepoError as error:
        raise WeightsError(f"{system.name} is gated and no token that may read {hub} was given: {licence}") from error
    except RevisionNotFoundError as error:
        raise WeightsError(f"{system.name}: {hub} has no revision {revision}: leave @{revision} out for the pinned one") from error
    except EntryNotFoundError as error:
        raise WeightsError(f"{system.name}: {hub} at {revision} has no {INDEX}, so it is not in diffusers' format") from error
    except RepositoryNotFoundError as error:
        raise WeightsError(f"{system.name}: the hub has no repository {hub}, or it is private: {licence}") from error
    except (OfflineModeIsEnabled, HfHubHTTPError, OSError) as error:
        if isinstance(lacking, WeightsError):
            raise lacking from error
        offline = isinstance(error, OfflineModeIsEnabled) or "offline mode" in str(error)
        why = "HF_HUB_OFFLINE is set" if offline else _brief(error)
        at = f"{hub} at revision {revision}"
        raise WeightsError(f"{system.name}: {at} is not in the hub's cache, and the hub cannot be asked ({why})") from error


def _brief(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0].rstrip(". ")[:120]


def needed(names: Iterable[str], index: dict[str, Any], variant: str = "") -> list[str]:
    """Of a repository's files those that a pipeline reads: its components, with weights of one kind only."""
    wanted = [INDEX]
    for part in components(index):
        inside = [name for name in names if name.rpartition("/")[0] == part]
        wanted += [name for name in inside if not _is_weights(name)]
        wanted += [f"{part}/{name}" for name in chosen([name.rpartition("/")[2] for name in inside], variant)]
    return wanted


def components(index: dict[str, Any]) -> list[str]:
    """Names of the components that a `model_index.json` lists and that are files."""
    return [name for name, held in index.items() if isinstance(held, list) and len(held) == 2 and held[1]]


def _is_weights(name: str) -> bool:
    return name.endswith((".safetensors", ".bin", ".msgpack", ".onnx", ".onnx_data", ".pb", ".h5", ".ckpt", ".pt"))


def chosen(names: Iterable[str], variant: str = "") -> list[str]:
    """Of the weights in a component's folder one kind: safetensors before pickles, `variant` where it is there."""
    kinds = [(variant, ".safetensors"), ("", ".safetensors"), (variant, ".bin"), ("", ".bin")]
    for kind, ending in kinds:
        found = [name for name in names if name.endswith(ending) and _variant(name) == kind]
        if found:
            return sorted(found)
    return []


def _variant(name: str) -> str:
    """"fp16" of model.fp16.safetensors and of model.fp16-00001-of-00002.safetensors; "" of a name without one."""
    parts = re.sub(r"-\d{5}-of-\d{5}", "", name).split(".")
    return parts[1] if len(parts) == 3 else ""


# ---- looking at files ------------------------------------------------------------------------------------------------


def _weights(folder: Path, system: System) -> Iterator[tuple[str, Path]]:
    """(component, file) of all weights that loading reads; raises WeightsError at the first that is not there."""
    at = f"{system.name}: in {folder}"
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{at} {INDEX} is missing or damaged: fetch the repository again") from error
    for part in components(index):
        inside = [file.name for file in (folder / part).glob("*")]
        if not any(name.endswith((".json", ".model", ".txt")) for name in inside):
            raise WeightsError(f"{at} the component {part} is missing: fetch the repository again")
        if "config.json" not in inside:
            continue  # a tokenizer, a scheduler or an image processor
        files = chosen(inside, system.variant)
        absent = sorted(_shards(files) - set(files))
        if absent or not files:
            what = f"{part}/{absent[0]} is missing" if absent else f"the component {part} has no weights"
            raise WeightsError(f"{at} {what}: fetch the repository again")
        yield from ((part, folder / part / name) for name in files)


def _shards(files: list[str]) -> set[str]:
    """Names of all the shards that a name such as 00001-of-00003 implies."""
    wanted: set[str] = set()
    for name in files:
        if counted := re.fullmatch(r"(.*)-\d{5}-of-(\d{5})(\..*)", name):
            stem, last, ending = counted.groups()
            wanted |= {f"{stem}-{k:05d}-of-{last}{ending}" for k in range(1, int(last) + 1)}
    return wanted


def _check(file: Path, system: System) -> None:
    """Raise WeightsError where a safetensors file does not end where its header says."""
    if file.suffix != ".safetensors":
        return
    try:
        with open(file, "rb") as handle:
            size = int.from_bytes(handle.read(8), "little")
            header = json.loads(handle.read(size)) if size < file.stat().st_size else {}
        ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
        whole = bool(ends) and 8 + size + max(ends) == file.stat().st_size
    except (ValueError, KeyError, TypeError, OSError):
        whole = False
    if not whole:
        what = f"{file.parent.name}/{file.name} is cut short or damaged"
        raise WeightsError(f"{system.name}: {what}: delete {file.resolve()} and fetch it again")


# ---- loading ---------------------------------------------------------------------------------------------------------


def load(source: Source, dtype: torch.dtype) -> diffusers.DiffusionPipeline:
    """The system's pipeline on the CPU, its components in `dtype`; a system in two stages as diffusers' combined pipeline."""
    system = source.system
    if system.pipeline not in TWO_STAGES:
        return _quiet(_load(kind(system.pipeline), source.folder, system, dtype))
    decoder, prior = (getattr(diffusers, name) for name in TWO_STAGES[system.pipeline])
    parts = _load(decoder, source.folder, system, dtype).components
    parts |= {f"prior_{name}": part for name, part in _load(prior, source.prior, system, dtype).components.items()}
    return _quiet(kind(system.pipeline)(**parts))


def kind(name: str) -> type[diffusers.DiffusionPipeline]:
    """The pipeline class of that name."""
    return getattr(importlib.import_module(OWN[name]) if name in OWN else diffusers, name)


def _load(pipeline: type[diffusers.DiffusionPipeline], folder: Path, system: System, dtype: torch.dtype) -> Any:
    options: dict[str, Any] = {"dtype": dtype, "local_files_only": True}
    if system.variant and any(_variant(file.name) == system.variant for _, file in _weights(folder, system)):
        options["variant"] = system.variant
    if pipeline.__name__ == "StableDiffusionXLPipeline":
        options["add_watermarker"] = False  # it depends on a package that may or may not be there
    for library in (diffusers, transformers):
        library.utils.logging.disable_progress_bar()  # a line for each component of each worker
    try:
        return pipeline.from_pretrained(folder, **options)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise WeightsError(f"{system.name}: {folder} cannot be loaded as {pipeline.__name__} ({_brief(error)})") from error


def _quiet(pipeline: Any) -> Any:
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
