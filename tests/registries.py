"""What tests have entered into the registries of `salanet.extensions`, taken out again."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Any

from salanet import extensions
from salanet.datasets.own import DATASETS
from salanet.errors import ConfigError
from salanet.extensions import Registry
from salanet.models.networks import NETWORKS
from salanet.operators import OPERATORS
from salanet.sampling.features import FEATURES

REGISTRIES: tuple[Registry[Any], ...] = (OPERATORS, NETWORKS, FEATURES, DATASETS)


def forget() -> None:
    """As if nothing had ever been entered or imported, and no package installed."""
    for registry in REGISTRIES:
        registry.__dict__.pop("_points", None)
        for name in [*registry]:
            with suppress(ConfigError, KeyError):  # of the package's, and of entry points
                del registry[name]
    for name in [name for name in sys.modules if name.startswith(("my_", "bad_module"))]:
        del sys.modules[name]
    extensions._used.clear()
