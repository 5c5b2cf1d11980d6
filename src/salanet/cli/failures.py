"""What went wrong, in one line, for the errors that are nobody's mistake in the code."""

from __future__ import annotations

from pathlib import Path

from salanet.errors import SalaNetError

# What else may be done about too little memory, by command.
LESS_MEMORY = {
    "predict": "give --memory a smaller size, or split the file into smaller tiles",
    "prepare": "use fewer --workers or a larger --grid, or split the files into smaller tiles",
    "train": "make the spheres or the batches of the recipe smaller",
}


def explain(error: BaseException, command: str = "") -> str | None:
    """A line for the user: what is wrong, where, what to do; None if the error is a bug."""
    if isinstance(error, SalaNetError):
        return str(error)
    if is_memory(error):
        said = " ".join(str(error).split())
        wanted = f" ({said[:200]})" if said else ""
        advice = LESS_MEMORY.get(command, "split the files into smaller pieces")
        return f"there is not enough memory{wanted}; {advice}"
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
