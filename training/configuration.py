"""The settings of one training run, read from `training.toml` in the model's folder."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

CONFIGURATION_FILE = "training.toml"

_DISCRIMINANT = (
    "grid copies=augmented_copies mirror_copies=mirrored_copies shrinkage=whitening_shrinkage"
    " within=within_class_shrinkage contrastive_steps contrastive_learning_rate"
)
_FINETUNE = (
    "epochs patience steps identities pictures_each=images_per_identity learning_rate dropout margin scale"
    " trunk_learning_rate_factor=backbone_learning_rate_factor dense=hidden_units exponent=pooling_exponent"
    " triplet_weight"
)
_CALIBRATION = (
    "cohort_sources repeats=simulate_repeat_shots neighbours=simulate_later_visits bounded=cap_cosine_llr"
    " cautious=halve_limits shown=clopper_pearson singles=single_image_strangers"
)
_CLASSIFIER = (
    "trunk=backbone int8=int8_layers taps=feature_layers pictures=training_images batch=batch_size dense=hidden_units"
    " gentle=upright_augmentation held_out=held_out_families validation_mishaps=validation_corruptions"
    " accepted_loss=false_refusal_rate"
)
"""Keys of older versions of `training.toml`, each with its present name if that differs."""
REMOVED = {"depths", "tuning", "virtual", "mirrored", "ema", "weight_decay", "tone_curve"}

Share = Annotated[float, Field(ge=0.0, le=1.0)]


class Settings(BaseModel):
    """Base of all tables. The line below each field is its description: what it does, unit, when to change it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class AugmentationConfig(Settings):
    """How strongly training images are changed at random. 0 switches a change off."""

    rotation: Annotated[float, Field(ge=0, le=180)] = 10.0
    """Largest rotation to either side, in degrees. Use 180 for lesions."""
    zoom: Annotated[float, Field(ge=0, lt=1)] = 0.15
    """Largest change of scale, as a fraction. Raise it if distances vary."""
    shift: Annotated[float, Field(ge=0, lt=1)] = 0.06
    """Largest shift, as a fraction of the side. Lower it for aligned scans."""
    stretch: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Largest change of the aspect ratio, as a fraction."""
    flip_horizontal: bool = False
    """Mirror half of the images. Leave it off if left and right differ."""
    flip_vertical: bool = False
    """Turn half of the images upside down. Use it for lesions."""
    brightness: Annotated[float, Field(ge=0, lt=1)] = 0.12
    """Largest change of brightness, as a fraction of the full range."""
    contrast: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Largest change of contrast, as a fraction."""
    gamma: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Range g of the gamma exponent, from 1-g to 1/(1-g)."""
    colour: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Largest gain of each colour channel, as a fraction. Keep 0 for grey images."""
    noise: Annotated[float, Field(ge=0)] = 4.0
    """Largest standard deviation of noise, in grey levels of 255."""
    blur: Annotated[float, Field(ge=0)] = 1.0
    """Largest sigma of the Gaussian blur, in pixels, above 0.3."""
    jpeg: Share = 0.3
    """Probability of JPEG compression at quality 30 to 95."""
    erase: Share = 0.3
    """Probability of painting over a rectangle. Use 0 if no marks cover images."""


class Configuration(Settings):
    """Settings of both kinds of network."""

    backbone: str
    """Pretrained backbone: a name of training.networks.backbones, or two joined with `+`."""
    size: Annotated[int, Field(multiple_of=32)] = 224
    """Side of training images in pixels. Serving always uses 224; smaller trains faster."""
    seed: int = 1
    """Seed of all random numbers. Change it to repeat a run with other draws."""
    float16: bool = True
    """Export weights as float16: half the size, cosine 0.9995 to float32. Turn off if parity fails."""
    validation_share: Annotated[float, Field(gt=0, lt=1)] = 0.15
    """Fraction of the subjects of `split=train` for validation. Lower it if there are thousands."""
    augmentation: AugmentationConfig = AugmentationConfig()
    """Changes that two images of one patient may show."""


class ClassifierConfiguration(Configuration):
    """COMPA: modality, sub-type, or refusal."""

    kind: Literal["classifier"]
    """Always `classifier`."""
    int8_layers: tuple[str, ...] = ()
    """Backbone layers to run in int8, by part of their name. Empty: all in float. int8 halves the time."""
    feature_layers: tuple[str, ...] = ()
    """Backbone layers whose averages are features, beside the last. Earlier layers see textures."""
    training_images: Annotated[int, Field(gt=0)] = 20000
    """Images drawn for training. The frozen backbone reads each once; more take longer."""
    epochs: Annotated[int, Field(gt=0)] = 20
    """Passes of the head over the training images."""
    batch_size: Annotated[int, Field(gt=0)] = 128
    """Images in one training step of the head."""
    learning_rate: Annotated[float, Field(gt=0)] = 1e-4
    """Peak learning rate of the head (AdamW, cosine decay)."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.4
    """Dropout on features and hidden units. Raise it against overfitting."""
    hidden_units: Annotated[int, Field(gt=0)] = 512
    """Width of the head's hidden layer."""
    upright_augmentation: AugmentationConfig = AugmentationConfig()
    """Changes of images that stay upright. Sub-types such as the side of an eye need them."""
    held_out_families: tuple[str, ...] = ()
    """Out-of-domain families kept out of training, to measure how well unknown images are refused."""
    validation_corruptions: Annotated[int, Field(ge=0)] = 3
    """Corruptions applied to each validation image, of the seven in corruptions.py."""
    false_refusal_rate: Annotated[float, Field(gt=0, lt=1)] = 0.004
    """Largest fraction of good validation images that may be refused. Lower it to refuse less."""
    subtypes: dict[str, dict[str, str]] = {}
    """By modality: names of sub-types, each with a regular expression for `source: acquisition`."""


class DiscriminantSettings(Settings):
    """A frozen backbone and a linear discriminant on its features: minutes, and every subject validates by folds."""

    grid: bool = False
    """Add averages over 3 x 3 parts of the image. Use it if all images have one pose, as brain MRI."""
    augmented_copies: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Add a copy of each image. Its features are a weighted mean with those of an augmented image;
    this is that weight. 0: no copies.
    Use 0.5 if training images are better aligned than real ones."""
    mirrored_copies: bool = False
    """Add each image's mirror image as another image of the patient. Use it for paired organs."""
    whitening_shrinkage: Annotated[float, Field(gt=0)] = 0.1
    """Shrinkage of the whitening, as a fraction of the largest variance. Higher values amplify weak directions less.
    Lower it with more images."""
    within_class_shrinkage: Annotated[float, Field(ge=0)] = 0.3
    """Shrinkage of the within-patient covariance, as a fraction of its mean variance. Higher values
    amplify low-variance directions less; 0: no within-class whitening. Start with 0.1 to 0.3."""
    contrastive_steps: Annotated[int, Field(ge=0)] = 0
    """Steps of contrastive refinement after the discriminant. 0: none. Use it with hundreds of patients."""
    contrastive_learning_rate: Annotated[float, Field(gt=0)] = 3e-4
    """Peak learning rate of these steps. Use a tenth for a few dozen patients."""


class FinetuneSettings(Settings):
    """The whole network is trained with a cosine softmax and a triplet loss: hours, for many images per patient."""

    epochs: Annotated[int, Field(gt=0)] = 20
    """Maximum epochs, each of `steps` batches."""
    patience: Annotated[int, Field(gt=0)] = 5
    """Epochs without a better validation score after which training stops."""
    steps: Annotated[int, Field(gt=0)] = 100
    """Batches in one epoch."""
    identities: Annotated[int, Field(gt=1)] = 16
    """Patients in one batch."""
    images_per_identity: Annotated[int, Field(gt=1)] = 2
    """Images of each patient in one batch. Raise it if patients have many images."""
    learning_rate: Annotated[float, Field(gt=0)] = 1e-4
    """Peak learning rate of the head (AdamW, cosine decay)."""
    backbone_learning_rate_factor: Annotated[float, Field(ge=0)] = 0.2
    """Learning rate of the backbone as a multiple of the head's. Lower it for few patients."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.4
    """Dropout before the embedding."""
    hidden_units: Annotated[int, Field(gt=0)] = 512
    """Width of the layer between pooling and embedding."""
    pooling_exponent: Annotated[float, Field(ge=1)] = 1.0
    """Initial exponent of the generalised mean. 1: average; 3: nearer to the maximum."""
    margin: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Angular margin of the softmax (ArcFace), in radians."""
    scale: Annotated[float, Field(gt=0)] = 24.0
    """Scale of the cosines in the softmax."""
    triplet_weight: Annotated[float, Field(ge=0)] = 1.0
    """Weight of the triplet loss beside the softmax."""


class CalibrationSettings(Settings):
    """How the calibration is fitted. A shipped network can be recalibrated with other values."""

    cohort_sources: tuple[str, ...] = ()
    """Sources of the manifest whose training images form the cohort. Empty: all. If you enrol
    training patients, name sources of people that you will not enrol."""
    simulate_repeat_shots: bool = False
    """Also fit to simulated second shots. Use it if no surface was photographed twice."""
    simulate_later_visits: bool = False
    """Also fit to neighbouring slices, as if from a later visit. Use it if each patient has one session."""
    cap_cosine_llr: bool = False
    """Cap the log likelihood ratio of a cosine at a fitted limit, so that keypoints must add the rest. Use it for
    images of devices that training has not seen. Without keypoints it has no effect."""
    halve_limits: bool = False
    """Halve the permitted false identifications of strangers and patients (2 % and 1 %). Use it if data
    varies less than real images."""
    clopper_pearson: bool = False
    """Keep these limits with 95 % confidence (Clopper-Pearson bound). Needs 150 people or more; with fewer, no false
    identification is permitted."""
    single_image_strangers: bool = True
    """Use people with a single image as strangers. Turn off if one person may have several names."""


class IdentifierConfiguration(Configuration):
    """An identification network: exactly one of `[discriminant]` and `[finetune]`."""

    kind: Literal["identifier"]
    """Always `identifier`."""
    sources: tuple[str, ...] = ()
    """Sources of the manifest to train on. Empty: all. Leave out those of poor quality."""
    instance_sources: tuple[str, ...] = ()
    """Sources without identities: each image counts as a patient. Use it if few patients have several images."""
    discriminant: DiscriminantSettings | None = None
    """Freeze the backbone and fit a linear discriminant."""
    finetune: FinetuneSettings | None = None
    """Train backbone and head."""
    calibration: CalibrationSettings = CalibrationSettings()
    """How confidence is fitted."""

    @model_validator(mode="after")
    def _one_way_to_train(self) -> Self:
        if (self.discriminant is None) == (self.finetune is None):
            raise ValueError("exactly one of the tables [discriminant] and [finetune] is needed: add or remove one")
        if self.discriminant and self.discriminant.grid and self.size < 96:
            raise ValueError("grid needs a size of at least 96: raise size, or turn grid off")
        return self


def read_configuration(folder: Path) -> ClassifierConfiguration | IdentifierConfiguration:
    """Return the configuration in a model's folder.

    Raises:
        ValueError: the folder has no `training.toml`, or a key or value in it is wrong. The message names each.
    """
    path = folder / CONFIGURATION_FILE
    place = f"{folder.name}/{CONFIGURATION_FILE}"
    if not path.is_file():
        raise ValueError(f"{place} is missing. Copy one from the folder of another model.")
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{place} is not valid TOML: {error}.") from None
    kind = ClassifierConfiguration if values.get("kind") == "classifier" else IdentifierConfiguration
    present = _present_names(kind)
    for key in values.keys() - kind.model_fields.keys():
        if key in REMOVED:
            raise ValueError(f"{place}: `{key}` no longer exists. Remove it.")
        if key in present:
            raise ValueError(
                f"{place}: `{key}` is now `{present[key]}`. training/configuration.py describes all settings."
            )
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'settings'}: {e['msg']}" for e in error.errors())
        raise ValueError(f"{place}: {wrong}.") from None


def _present_names(kind: type[Configuration]) -> dict[str, str]:
    """Return the present names of keys of older versions."""
    tables = {"": _CLASSIFIER}
    if kind is IdentifierConfiguration:
        tables = {
            "": "trunk=backbone",
            "[discriminant] ": _DISCRIMINANT,
            "[finetune] ": _FINETUNE,
            "[calibration] ": _CALIBRATION,
        }
    pairs = [(table, key.split("=")) for table, keys in tables.items() for key in keys.split()]
    return {old[0]: f"{table}{old[-1]}" for table, old in pairs}
