"""What a training run is made of: `training.toml` in the model's folder, read into these classes."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from shared.models.protocols import NETWORK_SIZE
from training.data.augmentation import AugmentationConfig

CONFIGURATION_FILE = "training.toml"


class Configuration(BaseModel):
    """What both kinds of network need."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    trunk: Annotated[str, Field(description="a name of training.networks.backbones, or two joined with + (hybrid)")]
    size: Annotated[int, Field(multiple_of=32, description="pixels of a side in training; serving always sees 224")] = (
        224
    )
    epochs: Annotated[int, Field(gt=0)] = 20
    patience: Annotated[int, Field(gt=0, description="epochs without a better validation before it stops")] = 5
    learning_rate: Annotated[float, Field(gt=0)] = 1e-4
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.4
    dense: Annotated[int, Field(gt=0)] = 512
    ema: Annotated[float, Field(ge=0, lt=1, description="momentum of the averaged weights; 0: no average")] = 0.0
    seed: int = 1
    float16: Annotated[
        bool, Field(description="export weights of half the size, at a cosine of 0.9995 to the trained network")
    ] = True
    int8: Annotated[
        tuple[str, ...],
        Field(description="parts of a trunk that stays as it is which compute in int8; the head is fitted to it"),
    ] = ()
    validation_share: Annotated[float, Field(gt=0, lt=1, description="share of the subjects of `split=train`")] = 0.15
    augmentation: AugmentationConfig = AugmentationConfig()


class ClassifierConfiguration(Configuration):
    """COMPA."""

    kind: Literal["classifier"]
    taps: Annotated[tuple[str, ...], Field(description="layers of the trunk whose averages are features, too")] = ()
    pictures: Annotated[int, Field(gt=0, description="drawn to learn from, each read once by the frozen trunk")] = 20000
    batch: Annotated[int, Field(gt=0)] = 128
    weight_decay: Annotated[float, Field(ge=0)] = 1e-4
    gentle: Annotated[AugmentationConfig, Field(description="what upright pictures go through")] = AugmentationConfig()
    held_out: Annotated[
        tuple[str, ...], Field(description="families of foreign pictures that are never learned from, to judge by")
    ] = ()
    validation_mishaps: Annotated[int, Field(ge=0, description="mishaps that each validation picture suffers")] = 3
    accepted_loss: Annotated[
        float, Field(gt=0, lt=1, description="share of good validation pictures that may be refused")
    ] = 0.004
    subtypes: Annotated[
        dict[str, dict[str, str]],
        Field(description="by modality: sub-types, each with a regular expression for `source: acquisition`"),
    ] = {}


class TuningConfiguration(BaseModel):
    """How a trunk is tuned before the discriminant is fitted to what it says (`training/tuning.py`).

    Fields that `IdentifierConfiguration` has too mean the same there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: Annotated[int, Field(gt=0)] = 8
    steps: Annotated[int, Field(gt=0, description="batches per epoch; after each epoch a run can be gone on with")] = 40
    identities: Annotated[int, Field(gt=1)] = 32
    pictures_each: Annotated[int, Field(gt=1)] = 2
    virtual: Annotated[int, Field(ge=0)] = 4
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.99
    learning_rate: Annotated[float, Field(gt=0, description="of the directions of the training patients")] = 1e-2
    trunk_learning_rate_factor: Annotated[float, Field(gt=0)] = 0.01
    kept: Annotated[float, Field(gt=0, le=1, description="how far of the way from the pretrained trunk is kept")] = 1.0
    augmentation: AugmentationConfig = AugmentationConfig()


CALIBRATING = {"cohort_sources", "repeats", "neighbours", "bounded", "cautious", "shown", "singles"}
"""Members of an identifier's configuration that say how it is calibrated and not what it learns."""


class IdentifierConfiguration(Configuration):
    """An identification network."""

    kind: Literal["identifier"]
    epochs: Annotated[
        int, Field(ge=0, description="0: the trunk stays as it is, and a linear discriminant is all that is learned")
    ] = 20
    tuning: Annotated[
        TuningConfiguration | None, Field(description="with epochs = 0: tune the trunk before the discriminant")
    ] = None
    depths: Annotated[
        bool,
        Field(description="embed the averages of every depth of the trunk, not its last map alone; judged at `size`"),
    ] = False
    grid: Annotated[bool, Field(description="with `depths`: also averages over 3 x 3 parts of the picture")] = False
    copies: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            description="with `depths`: how far each picture's augmented copy is moved away from it; 0: none",
        ),
    ] = 0.0
    mirror_copies: Annotated[
        bool, Field(description="with `depths`: every picture's mirror image is another picture of the patient")
    ] = False
    contrastive_steps: Annotated[
        int, Field(ge=0, description="with `depths`: steps of contrastive refinement; 0: the discriminant as it is")
    ] = 0
    contrastive_learning_rate: Annotated[
        float, Field(gt=0, description="where it starts: small where patients are few, who would be learned by heart")
    ] = 3e-4
    within: Annotated[
        float, Field(ge=0, description="with `depths`: shrinkage of the within-patient whitening; 0: none")
    ] = 0.3
    shrinkage: Annotated[float, Field(gt=0, description="of the whitening: how little weak directions are raised")] = (
        0.1
    )
    sources: Annotated[tuple[str, ...], Field(description="sources of the manifest to learn from; empty: all")] = ()
    cohort_sources: Annotated[
        tuple[str, ...],
        Field(description="sources of the cohort, best of people who will not be enrolled; empty: all"),
    ] = ()
    instance_sources: Annotated[
        tuple[str, ...], Field(description="sources without identities whose pictures are a class each")
    ] = ()
    identities: Annotated[int, Field(gt=1, description="P of a batch")] = 16
    pictures_each: Annotated[int, Field(gt=1, description="K of a batch")] = 2
    steps: Annotated[int, Field(gt=0, description="batches per epoch")] = 100
    trunk_learning_rate_factor: Annotated[float, Field(ge=0)] = 0.2
    exponent: Annotated[float, Field(ge=1, description="start of the generalised mean")] = 1.0
    margin: Annotated[float, Field(ge=0, lt=1, description="radians")] = 0.2
    scale: Annotated[float, Field(gt=0)] = 24.0
    triplet_weight: Annotated[float, Field(ge=0)] = 1.0
    virtual: Annotated[int, Field(ge=0, description="further identities that each subject is deformed into")] = 0
    repeats: Annotated[bool, Field(description="calibrate on made repeat shots too: the data has no real ones")] = False
    neighbours: Annotated[
        bool, Field(description="calibrate on neighbouring slices as of a later visit: the data has one per subject")
    ] = False
    bounded: Annotated[
        bool,
        Field(
            description="cosines say no more than a limit that is fitted as well, and keypoints the rest (nothing where"
            " none are compared): where people will be asked about from devices that training has not seen"
        ),
    ] = False
    cautious: Annotated[
        bool,
        Field(
            description="lower confidence until only half as many validation strangers, and patients as somebody else,"
            " reach the registry's threshold as may: for data that shows less of what makes people alike than life does"
        ),
    ] = False
    shown: Annotated[
        bool,
        Field(
            description="lower confidence until the people of the data make it 95 % sure that no more strangers, and"
            " patients as somebody else, reach the registry's threshold than may; where they are too few, nobody does"
        ),
    ] = False
    singles: Annotated[
        bool,
        Field(
            description="calibrate on people with a single picture too, as strangers: not where one person may go by"
            " several names"
        ),
    ] = True
    mirrored: Annotated[bool, Field(description="embed a picture and its mirror image together")] = False

    @model_validator(mode="after")
    def _learns_something(self) -> Self:
        if not self.epochs and not self.depths:
            raise ValueError("with epochs = 0 the discriminant is all that is learned: set depths = true")
        if not self.epochs and self.mirrored:
            raise ValueError("mirrored needs a network that is trained: set epochs, or leave mirrored out")
        if self.int8 and (self.epochs or self.size != NETWORK_SIZE):
            raise ValueError(
                f"int8 needs a trunk that stays as it is, at the size that ships: epochs = 0, size = {NETWORK_SIZE}"
            )
        if self.tuning and (self.epochs or self.int8):
            raise ValueError("tuning is of a trunk behind a discriminant, in floats: set epochs = 0, leave int8 out")
        if self.grid and (not self.depths or self.size < 96):
            raise ValueError("grid needs depths = true and a size of at least 96")
        return self


def read_configuration(folder: Path) -> ClassifierConfiguration | IdentifierConfiguration:
    """The configuration in a model's folder; ValueError where there is none, pydantic's where it is wrong."""
    path = folder / CONFIGURATION_FILE
    if not path.is_file():
        raise ValueError(f"{folder.name}/ has no {CONFIGURATION_FILE}; copy one from another model's folder")
    values = tomllib.loads(path.read_text(encoding="utf-8"))
    kind = ClassifierConfiguration if values.get("kind") == "classifier" else IdentifierConfiguration
    return kind.model_validate(values)
