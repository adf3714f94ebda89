"""Identifying names are found on their way into logs, labels and messages, and nowhere else."""

import ast

import pytest

from deploy.checks.identifiers import leaks


@pytest.mark.parametrize(
    "code",
    [
        "log.info('enrolled', patient_id=patient_id)",
        "log.info(f'enrolled {patient_id}')",
        "logger.warning('refused %s', upload.filename)",
        "self._log.error('no', what=dataset.StudyDate)",
        "structlog.get_logger().info('x', who=record.patient_id)",
        "raise ValueError(f'unknown patient {patient_id}')",
        "raise NotFound(patient.patient_id)",
        "error = NotFound(detail='no ' + patient_id)",
        "counter.labels(patient_id).inc()",
        "structlog.contextvars.bind_contextvars(patient_id=x)",
        "print(file_name)",
    ],
)
def test_an_identifying_name_in_a_sink_is_found(code: str) -> None:
    assert list(leaks(ast.parse(code)))


@pytest.mark.parametrize(
    "code",
    [
        "gallery.erase(patient_id)",
        "log.info('enrolled', images=len(patient_ids))",
        "raise NotFound('There is no such patient.')",
        "math.log(dataset)",
        "counter.labels(modality).inc()",
        "return Patient(patient_id=patient_id)",
    ],
)
def test_other_uses_are_no_finding(code: str) -> None:
    assert not list(leaks(ast.parse(code)))
