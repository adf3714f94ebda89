"""Decoders are silent, also when several threads decode at the same time."""

from __future__ import annotations

import logging
import threading
import warnings

import pytest

from shared.images.decoder_warnings import DecoderSilence


def test_warnings_are_swallowed_inside_and_come_back_outside() -> None:
    silence_decoders = DecoderSilence()
    with silence_decoders():
        warnings.warn("patient 4711", stacklevel=1)
    with pytest.warns(UserWarning, match="outside"):
        warnings.warn("outside", stacklevel=1)


def test_filters_come_back_after_an_error() -> None:
    before = list(warnings.filters)
    with pytest.raises(ValueError, match="broken"), DecoderSilence()():
        raise ValueError("broken")
    assert list(warnings.filters) == before


def test_threads_that_overlap_leave_the_filters_as_they_were() -> None:
    silence_decoders, before = DecoderSilence(), list(warnings.filters)
    first_inside, second_inside = threading.Event(), threading.Event()

    def first() -> None:
        with silence_decoders():
            first_inside.set()
            second_inside.wait(10)

    thread = threading.Thread(target=first)
    thread.start()
    first_inside.wait(10)
    with silence_decoders():
        second_inside.set()
        thread.join()
        warnings.warn("still quiet", stacklevel=1)

    assert list(warnings.filters) == before


@pytest.mark.parametrize("name", ["pydicom", "pydicom.pixels.utils", "PIL", "PIL.TiffImagePlugin"])
def test_the_loggers_of_the_decoders_are_silent(name: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with DecoderSilence()():
        logging.getLogger(name).critical("patient 4711")
    assert not caplog.records
