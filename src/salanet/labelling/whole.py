"""What was found for a cloud in memory goes into it."""

from __future__ import annotations

import numpy as np

from salanet.cloud import PointCloud
from salanet.engine.confidence import levels
from salanet.engine.segmentation import Segmentation
from salanet.labelling.changes import Tally
from salanet.labelling.decision import Decision
from salanet.labelling.outputs import extra_columns, extra_names, label_type, left_out_codes
from salanet.model_file import Described


def label_cloud(
    cloud: PointCloud,
    found: Segmentation,
    model: Described,
    decision: Decision,
    *,
    probabilities: bool = True,
    confidence: bool = False,
    entropy: bool = False,
) -> tuple[Tally, list[str]]:
    """Put the classes into the cloud, as the codes of the training files, and what else is wanted.

    Args:
        found: with probabilities, if any of the rest is wanted.
        decision: which points keep what they have, and where the classes of the others go.
        probabilities, confidence, entropy: see `extra_columns`; as float32 attributes.

    Returns:
        What became of the classes, and a remark for each name that the cloud had taken already,
        and that became another.
    """
    classes, out = decision.classes(found.labels, found.confidence), found.labels < 0
    floor = float(cloud.xyz[~out, 2].min()) if out.any() else 0.0
    own = decision.own(cloud, out, left_out_codes(model, cloud.rows(out), floor))
    codes = decision.written(classes, own)
    sure = np.zeros(len(cloud), np.float32) if found.confidence is None else found.confidence
    tally = Tally(decision)
    tally.add(classes, own, codes, levels(sure))
    if found.plain is not None:
        tally.add_settled(decision.classes(found.plain, found.confidence), classes, own)
    if decision.rules.into is None:
        cloud.label, cloud.class_names = codes, tally.names
    else:
        kind = label_type(tally.written)
        cloud.attributes[decision.rules.into] = codes.astype(kind)
    if found.probabilities is None:
        return tally, []
    wanted = {"probabilities": probabilities, "confidence": confidence, "entropy": entropy}
    names, remarks = extra_names(model, cloud.arrays(), **wanted)
    columns = extra_columns(found.probabilities, **wanted)
    cloud.attributes |= dict(zip(names, columns, strict=True))
    return tally, remarks
