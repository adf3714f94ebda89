from pathlib import Path

import numpy as np

from benchmarks.systems.template_set import Templates, load, save


def templates(count: int = 7) -> Templates:
    vectors = np.random.default_rng(3).normal(size=(count, 256)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Templates("sha256:abc", vectors, [bytes([i]) * i for i in range(count)])


def test_templates_come_back_as_they_were_kept(tmp_path: Path) -> None:
    kept = templates()
    save(tmp_path / "gallery.npz", {"ct": kept})
    found = load(tmp_path / "gallery.npz")["ct"]
    assert found.digest == kept.digest
    assert list(found.local) == list(kept.local)
    np.testing.assert_array_equal(found.embeddings, kept.embeddings)


def test_the_nearest_come_first_however_many_are_asked_for() -> None:
    gallery = templates()
    for limit in (1, 3, 100):
        order, cosines = gallery.nearest(gallery.embeddings[4], limit)
        assert order[0] == 4
        assert len(order) == min(limit, 7)
        assert np.all(np.diff(cosines) <= 0)
