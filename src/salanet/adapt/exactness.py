"""Whether a cloud was measured as exactly as the training data, and has the ground below it."""

from __future__ import annotations

from salanet.model_file import Described
from salanet.remark import Remark
from salanet.sampling.ground import DEEP
from salanet.sampling.scatter import Quality

EXACT = 0.04  # metres of scatter; surveys from the air have up to 0.032
SUNK = 5e-4  # of all points; sound surveys of 4 points/m² and more have below a tenth of that
SHARE = 0.4  # of the largest noise of training, which is seldom drawn


def inexact(model: Described, quality: Quality) -> list[str]:
    """Remarks if the ground scatters more than a model can do with, or points lie far below it.

    Args:
        model: its metadata tell what noise it was trained with.
        quality: of the ground that was found.
    """
    return [*_scattering(model, quality.scatter), *_sunk(quality.below)]


def _scattering(model: Described, scatter: float) -> list[str]:
    trained = model.card.recipe.get("augmentation")
    noise = trained.get("noise", 0) if isinstance(trained, dict) else 0
    known = max(EXACT, SHARE * noise) if isinstance(noise, (int, float)) else EXACT
    if not scatter > known:
        return []
    text = (
        f"points of the ground scatter by about {scatter:.2f} m (noise, or flight lines that do "
        f"not meet), more than the {known:.2g} m that the model can do with: labels near the "
        "ground, and how sure it is of them, are in doubt"
    )
    return [Remark(text, "inexact", scatter=scatter)]


def _sunk(below: float) -> list[str]:
    if not below > SUNK:
        return []
    text = (
        f"{100 * below:.2g}% of the points lie more than {DEEP:g} m below the ground that was "
        "found: low noise that nobody flagged (class 7 leaves it out), or steep ground that was "
        "not found there; their labels are in doubt"
    )
    return [Remark(text, "below", below=below)]
