"""Whether a cloud was measured as exactly as the training data."""

from __future__ import annotations

from salanet.model_file import Described
from salanet.remark import Remark

EXACT = 0.04  # metres of scatter; surveys from the air have up to 0.032
SHARE = 0.4  # of the largest noise of training, which is seldom drawn


def inexact(model: Described, scatter: float) -> list[str]:
    """A remark if the ground scatters more than a model can do with.

    Args:
        model: its metadata tell what noise it was trained with.
        scatter: see `salanet.sampling.ground.Ground`; NaN if unknown.
    """
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
