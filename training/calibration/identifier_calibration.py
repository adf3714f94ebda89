"""The calibration of an identifier as its configuration and modality ask for it."""

from __future__ import annotations

from collections.abc import Sequence

from shared.identification.cohort import Cohort
from shared.keypoints.verification import build_verifier
from shared.modalities import Modality
from shared.models.manifest import Calibration
from training.calibration.posterior_fit import Limits, fit_calibration
from training.calibration.strict_threshold import COUNTED_FROM
from training.configuration import IdentifierConfiguration
from training.data.dataset import Dataset
from training.data.simulated_revisits import repeat_shots
from training.engine.discriminant_folds import TrackScorer
from training.engine.validation import PROBES_PER_TRACK, Embed, Embeddings, TrackScores, ValidationSet


def track_scorer(modality: Modality, configuration: IdentifierConfiguration) -> TrackScorer:
    """Return a scorer with enough probes for the strict threshold, and with keypoints if the modality compares them."""
    outsiders = configuration.calibration.single_image_strangers

    def score(part: ValidationSet, embeddings: Embeddings, cohort: Cohort | None) -> list[TrackScores]:
        if verifier := build_verifier(modality):
            return part.verified(embeddings, verifier, cohort, COUNTED_FROM, outsiders=outsiders)
        return part.scored(embeddings, cohort, outsiders=outsiders)

    return score


def calibrate(
    tracks: Sequence[TrackScores],
    data: Dataset,
    configuration: IdentifierConfiguration,
    modality: Modality,
    embed: Embed,
    most: int = PROBES_PER_TRACK,
) -> Calibration:
    """Fit a calibration to the tracks of subjects that the network has not seen.

    If keypoints were compared, at most `most` probes of a track are used. `data` and `embed` serve to simulate repeat
    shots, if the configuration asks for them.
    """
    settings, verifier = configuration.calibration, build_verifier(modality)
    simulated = list[TrackScores]()
    if settings.simulate_repeat_shots and verifier:
        shots = repeat_shots(data.validation, data.pictures, configuration.seed)
        part = ValidationSet(shots.protocols, shots.pictures, data.recipe)
        simulated = part.verified(part.embeddings(embed), verifier)
    real = [track if track.agreeing is None else track.drawn(most) for track in tracks]
    limits = Limits(modality.threshold, clopper_pearson=settings.clopper_pearson)
    limits = limits.halved() if settings.halve_limits else limits
    cap = settings.cap_cosine_llr and verifier is not None  # without keypoints nothing could add the rest
    return fit_calibration(real, configuration.seed, simulated, limits, cap_cosine_llr=cap)
