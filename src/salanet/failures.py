"""What went wrong, in one line, for the errors that are nobody's mistake in the code."""

from __future__ import annotations

from pathlib import Path

from salanet.errors import MissingExtraError, SalaNetError

# Packages that may be missing, and the extra that brings them.
EXTRAS = {"torch": "train", "scipy": "train", "lightning_fabric": "train", "onnx": "export"}


def explain(
    error: BaseException, less_memory: str = "split the files into smaller pieces"
) -> str | None:
    """A line for the user: what is wrong, where, what to do; None if the error is a bug."""
    if isinstance(error, SalaNetError):
        return str(error)
    if is_memory(error):
        said = " ".join(str(error).split())
        wanted = f" ({said[:200]})" if said else ""
        return f"there is not enough memory{wanted}; {less_memory}"
    if isinstance(error, ModuleNotFoundError) and error.name in EXTRAS:
        return str(MissingExtraError(error.name, EXTRAS[error.name]))
    if isinstance(error, OSError):
        from salanet.io.atomic import reason

        name = error.filename
        place = Path(name) if isinstance(name, str) else Path()
        return (f"{name}: " if name else "") + reason(error, place.parent)
    return None


def is_memory(error: BaseException) -> bool:
    """Python and NumPy raise MemoryError, PyTorch a RuntimeError."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError)
        and ("can't allocate memory" in str(error) or "out of memory" in str(error))
    )
