"""Less memory for more time."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import partial

from torch.utils.checkpoint import checkpoint

from salanet.errors import ConfigError
from salanet.models import Network
from salanet.models.unet import Residual
from salanet.operators.norm import untracked


def checkpoint_blocks(model: Network) -> None:
    """Let each residual block keep only its inputs and compute the rest again for the gradient.

    The gradients are the same, and batch norms count a batch once.

    Raises:
        ConfigError: the network has no such blocks.
    """
    blocks = [module for module in model.modules() if isinstance(module, Residual)]
    if not blocks:
        raise ConfigError(
            f"training.activation_checkpointing: network {model.config.network} has no residual "
            "blocks to compute again"
        )
    for block in blocks:
        again = partial(
            checkpoint,
            block.forward,
            use_reentrant=False,
            preserve_rng_state=False,
            context_fn=_contexts,
        )
        block.forward = again  # type: ignore[method-assign]


def _contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    return nullcontext(), untracked()
