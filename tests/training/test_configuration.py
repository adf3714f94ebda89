from __future__ import annotations

from pathlib import Path

import pytest

from training.configuration import (
    CONFIGURATION_FILE,
    ClassifierConfiguration,
    IdentifierConfiguration,
    Settings,
    read_configuration,
)

IDENTIFIER = 'kind = "identifier"\nbackbone = "mobilenet_v2"\n'


@pytest.mark.parametrize("name", ["compa", "ct", "mri", "fundus", "skin", "xray"])
def test_the_shipped_configurations_are_valid(repository: Path, name: str) -> None:
    assert read_configuration(repository / f"{name}-service").seed == 1


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "exactly one of the tables"),
        ("[finetune]\n[discriminant]", "exactly one of the tables"),
        ("size = 64\n[discriminant]\ngrid = true", "grid needs a size of at least 96"),
        ("shown = true", r"`shown` is now `\[calibration\] clopper_pearson`"),
        ("within = 0.3", r"`within` is now `\[discriminant\] within_class_shrinkage`"),
        ("epochs = 0", r"`epochs` is now `\[finetune\] epochs`"),
        ("virtual = 4", "`virtual` no longer exists"),
        ("[tuning]", "`tuning` no longer exists"),
        ("[finetune]\nmargin = 3", r"training.toml: finetune.margin: Input should be less than 1"),
        ("[finetune]\nmargins = 3", r"training.toml: finetune.margins: Extra inputs"),
        ("seed =", "not valid TOML"),
    ],
)
def test_a_wrong_configuration_is_explained(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / CONFIGURATION_FILE).write_text(IDENTIFIER + text)
    with pytest.raises(ValueError, match=complaint):
        read_configuration(tmp_path)


def test_old_keys_of_a_classifier_are_named(tmp_path: Path) -> None:
    (tmp_path / CONFIGURATION_FILE).write_text('kind = "classifier"\nbackbone = "mobilenet_v2"\naccepted_loss = 0.1\n')
    with pytest.raises(ValueError, match="`accepted_loss` is now `false_refusal_rate`"):
        read_configuration(tmp_path)


def test_a_missing_configuration_says_where_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"training.toml is missing. Copy one"):
        read_configuration(tmp_path)


@pytest.mark.parametrize("kind", [ClassifierConfiguration, IdentifierConfiguration])
def test_every_setting_is_described(kind: type[Settings]) -> None:
    tables: list[type[Settings]] = [kind]
    for table in tables:
        for name, field in table.model_fields.items():
            assert field.description or name == "kind", name
        tables += [t for t in Settings.__subclasses__() if t.__name__ in str(table.__annotations__) and t not in tables]
