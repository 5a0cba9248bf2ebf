"""Content addressing and atomic files: what every folder that leaves something on disk shares.

An artefact is named by the hash of what made it (recipe, code, data), so that a finished one is loaded, an unfinished
one resumed and a stale one never reused. A file or folder appears under its final name complete, or not at all.
"""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import errno
import hashlib
import io
import json
import os
import shutil
import tempfile
import tokenize
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = Path(__file__).resolve().parent

_STORAGE_ERRORS = {
    errno.ENOSPC: "the disk is full; free some space and run the same command again",
    errno.EDQUOT: "your disk quota is used up; free some space and run the same command again",
    errno.EACCES: "no permission to write there; give yourself write permission, or choose another folder",
    errno.EPERM: "no permission to write there; give yourself write permission, or choose another folder",
    errno.EROFS: "the file system is read-only; remount it, or choose another folder",
    errno.ENOTDIR: "a file stands where a folder is needed; move it away",
    errno.EEXIST: "a file stands where a folder is needed; move it away",
}


class StorageError(RuntimeError):
    """A file could not be written; the message is one line that says which, why and what to do."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows: the message alone, for no code is at fault."""
        return [f"StorageError: {self}"]


@contextlib.contextmanager
def storage_errors(path: str | os.PathLike) -> Iterator[None]:
    """Turn the operating system's refusals to write under `path` into one clear `StorageError`."""
    try:
        yield
    except OSError as error:
        if error.errno not in _STORAGE_ERRORS:
            raise
        raise StorageError(f"cannot write {_short(path)}: {_STORAGE_ERRORS[error.errno]}") from error


def _short(path: str | os.PathLike) -> str:
    """`path` relative to the project where it lies inside it."""
    full = Path(path).absolute()
    return str(full.relative_to(ROOT)) if full.is_relative_to(ROOT) else str(path)


# ---- the cache ------------------------------------------------------------------------------------------------------


def store(*parts: str) -> Path:
    """The folder of cached artefacts, or the path `parts` inside it; its parent folders are created.

    `EXPERIMENTS_CACHE` moves it; without that it is `_build/cache` in the project.
    """
    root = Path(os.environ.get("EXPERIMENTS_CACHE") or ROOT / "_build" / "cache")
    path = root.joinpath(*parts)
    with storage_errors(path):
        (path.parent if parts else path).mkdir(parents=True, exist_ok=True)
    return path


# ---- writing --------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike, mode: str = "wb", encoding: str | None = None) -> Iterator[IO[Any]]:
    """A file handle whose content takes the name `path` only when the block ends without an error.

    Parent folders are created. After an error nothing is left, and an earlier file of that name stays as it was.
    Raises `StorageError` on a full disk, a read-only place or missing permission.
    """
    path = Path(path)
    if "b" not in mode and encoding is None:
        encoding = "utf-8"
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        number, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        try:
            with open(number, mode, encoding=encoding) as handle:
                yield handle
                handle.flush()
                os.fsync(handle.fileno())
            os.chmod(name, 0o666 & ~_umask())  # mkstemp's own mode would hide the file from everybody else
            os.replace(name, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise


def write_json(path: str | os.PathLike, value: Any) -> None:
    """Write `value` as readable JSON, atomically; NaN and infinities are refused, as JSON has no word for them."""
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    with atomic_write(path, "w") as handle:
        handle.write(text + "\n")


@contextlib.contextmanager
def atomic_folder(path: str | os.PathLike) -> Iterator[Path]:
    """A scratch folder beside `path` that replaces `path` when the block ends without an error."""
    path = Path(path)
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent))
        try:
            yield scratch
            os.chmod(scratch, 0o777 & ~_umask())
            replace_folder(scratch, path)
        except BaseException:
            shutil.rmtree(scratch, ignore_errors=True)
            raise


def replace_folder(new: str | os.PathLike, target: str | os.PathLike) -> None:
    """Give the complete folder `new` the name `target`, putting away what stood there.

    A kill between the two renames leaves no folder `target`, which the next run makes again; never a mixture.
    """
    new, target = Path(new), Path(target)
    with storage_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        old = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".old", dir=target.parent))
        try:
            if target.exists():
                os.rename(target, old / target.name)
            try:
                os.rename(new, target)
            except OSError:
                if (old / target.name).exists():
                    os.rename(old / target.name, target)
                raise
        finally:
            shutil.rmtree(old, ignore_errors=True)


def sweep(folder: str | os.PathLike) -> None:
    """Remove what killed writers left in `folder`: hidden `.tmp` and `.old` entries. Call it when no writer runs."""
    for left in [*Path(folder).glob(".*.tmp"), *Path(folder).glob(".*.old")]:
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


# ---- hashing --------------------------------------------------------------------------------------------------------


def fingerprint(*things: Any) -> str:
    """SHA-256, in hex, of plain values: numbers, strings, bytes, lists, dicts, sets, dataclasses, paths, arrays.

    Equal values give equal fingerprints in every process and on every machine. A path stands for its name, not for
    its content (that is `file_hash`). Raises `TypeError` for a value with no stable form.
    """
    return hashlib.sha256(json.dumps(_plain(things), sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, bytes):
        return {"bytes": hashlib.sha256(value).hexdigest()}
    if isinstance(value, os.PathLike):
        return Path(value).as_posix()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {"class": type(value).__qualname__, "fields": fields}
    if isinstance(value, dict):
        return {"dict": sorted(([_plain(k), _plain(v)] for k, v in value.items()), key=json.dumps)}
    if isinstance(value, (set, frozenset)):
        return {"set": sorted((_plain(v) for v in value), key=json.dumps)}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if hasattr(value, "tolist") and hasattr(value, "dtype"):  # numpy and torch, without importing either
        return {"array": str(value.dtype).removeprefix("torch."), "values": value.tolist()}
    raise TypeError(f"fingerprint: {type(value).__name__} has no stable form; pass plain values or a dataclass")


def file_hash(path: str | os.PathLike) -> str:
    """SHA-256, in hex, of a file's bytes, or of a folder's relative names and bytes (hidden entries left out)."""
    path = Path(path)
    if path.is_file():
        with open(path, "rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    if not path.is_dir():
        raise FileNotFoundError(f"no file or folder {_short(path)}")
    named = [(file.relative_to(path), file) for file in _files(path)]
    visible = sorted((r.as_posix(), file) for r, file in named if not any(p.startswith(".") for p in r.parts))
    return fingerprint([(name, file_hash(file)) for name, file in visible])


def _files(folder: Path) -> Iterator[Path]:
    """Every file below `folder`, through links too: a pipeline's folder links to the parts that it shares."""
    for here, _, names in os.walk(folder, followlinks=True):
        yield from (Path(here, name) for name in names if Path(here, name).is_file())


def source_hash(*modules: str, package: str | os.PathLike = PACKAGE, without: Iterable[str] = ()) -> str:
    """SHA-256, in hex, of the code of `modules` and of every module of `package` that they import, however deep, but for
    those named in `without`.

    Names are dotted (`experiments.data.render`). The code is read and never imported. Comments, docstrings and blank
    lines do not count, so rewording an explanation makes nothing stale. Raises `ModuleNotFoundError` for a name that
    has no file.
    """
    package = Path(package)
    files = {name: _find(name, package) for name in closure(modules, package) - set(without)}
    return fingerprint({name: _code_hash(file) for name, file in files.items() if file})


def closure(modules: Iterable[str], package: str | os.PathLike = PACKAGE) -> set[str]:
    """Names of `modules`, of their parent packages and of all that these import inside `package`, transitively."""
    package = Path(package)
    for name in modules:
        if not _find(name, package) and not _folder(name, package).is_dir():
            raise ModuleNotFoundError(f"no module {name} in {package.name}/", name=name)
    seen: set[str] = set()
    todo = list(modules)
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        todo += _parents(name)
        file = _find(name, package)
        if file:
            todo += imports(file.read_text(encoding="utf-8"), package, name)
    return seen


def imports(source: str, package: str | os.PathLike = PACKAGE, module: str = "") -> set[str]:
    """Modules of `package` that the text `source` imports, at any depth of its code; `module` resolves the dots."""
    package = Path(package)
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
            found |= {name for name in names if name.split(".")[0] == package.name}
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, module, package)
            if base.split(".")[0] == package.name:
                found.add(base)
                inner = [f"{base}.{alias.name}" for alias in node.names]
                found |= {name for name in inner if _find(name, package)}
    return found


def _absolute(node: ast.ImportFrom, module: str, package: Path) -> str:
    if not node.level:
        return node.module or ""
    is_package = bool(module) and (_find(module, package) or Path()).name == "__init__.py"
    parts = module.split(".")
    kept = parts[: len(parts) - node.level + is_package]
    return ".".join([*kept, node.module] if node.module else kept)


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:n]) for n in range(1, len(parts))]


def _find(name: str, package: Path) -> Path | None:
    """The file of module `name`, or None where there is none (a folder without `__init__.py` has none)."""
    path = _folder(name, package)
    candidates = (path / "__init__.py", path.with_name(path.name + ".py"))
    return next((file for file in candidates if file.is_file()), None)


def _folder(name: str, package: Path) -> Path:
    return package.parent.joinpath(*name.split("."))


def _code_hash(file: Path) -> str:
    stat = file.stat()
    return _code_hash_at(str(file), stat.st_mtime_ns, stat.st_size)


@cache
def _code_hash_at(file: str, mtime_ns: int, size: int) -> str:
    source = Path(file).read_text(encoding="utf-8")
    return hashlib.sha256(code_only(source).encode()).hexdigest()


def code_only(source: str) -> str:
    """`source` without comments, docstrings and blank lines; the same text on every Python version.

    A dump of the syntax tree would be shorter to write, but its form changes between Python versions.
    """
    lines = source.splitlines(keepends=True)
    drop = {n for first, last in _docstrings(source) for n in range(first, last + 1)}
    held: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column].rstrip() + "\n"
        elif token.type not in (tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.NEWLINE, tokenize.ENDMARKER):
            held.update(range(token.start[0], token.end[0] + 1))
    return "".join(line for n, line in enumerate(lines, 1) if n in held - drop)


def _docstrings(source: str) -> Iterator[tuple[int, int]]:
    owners = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, owners) and ast.get_docstring(node, clean=False) is not None and len(node.body) > 1:
            text, after = node.body[:2]
            alone = text.lineno > getattr(node, "lineno", 0) and after.lineno > text.end_lineno
            if alone:
                yield text.lineno, text.end_lineno
