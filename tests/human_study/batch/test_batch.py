"""A batch on disk: names that nobody can decode, pictures of one length, an identity of its own."""

import io

import numpy as np
import pytest
from PIL import Image

from data.errors import InputError
from data.files import sha256, write_png
from evaluation.run_directory import PHOTOS
from human_study.batch.assets import padded
from human_study.batch.write import table_names, write_batch
from human_study.protocol.protocols import UNDER_TEST, load_protocol
from human_study.responses.keys import opaque
from human_study.trials.cast import Cast
from human_study.trials.draw import draw


def test_names_follow_from_a_secret_and_differ_from_table_to_table(tiny_run):
    batch = write_batch(tiny_run, "crn2017-unlimited", None, "crn")
    public = [batch.spec_sha256, batch.study_id, batch.spec["protocol_sha256"]]
    guessed = {opaque(text.encode(), *parts, *name) for text in public for parts in ((), ("asset",)) for asset in
               batch.assets.values() for name in (asset.key, asset.name)}
    assert not guessed & set(batch.assets)
    by_table = {}
    for trials in batch.hits.values():
        for trial in trials:
            by_table.setdefault(trial.batch_id, set()).update((trial.assets[0], trial.assets[1]))
    assert len(by_table) == 3
    assert sum(map(len, by_table.values())) == len(set().union(*by_table.values()))  # no name is in two tables
    same = [asset for asset in batch.assets.values() if asset.key == ("crn", "00003")]
    assert len(same) > 1 and len({sha256(batch.image(asset.asset_id)) for asset in same}) == len(same)  # nor its hash
    assert len({Image.open(batch.image(asset.asset_id)).tobytes() for asset in same}) == 1
    identity = batch.secret / "identity"
    assert identity.stat().st_mode & 0o777 == 0o600 and batch.secret.stat().st_mode & 0o777 == 0o700
    identity.write_text("{}")
    with pytest.raises(InputError, match="identity: broken"):
        write_batch(tiny_run, "crn2017-unlimited", None, "crn")


def test_the_order_of_tables_does_not_reveal_the_method():
    hits = draw(load_protocol("crn2017-unlimited"), Cast("crn", tuple("abcdefgh"), UNDER_TEST), ["1", "2"], "s")
    found = [table_names(hits, secret) for secret in "12345"]
    assert {tuple(sorted(names.values())) for names in found} == {tuple(f"hits-{i:02d}" for i in range(1, 9))}
    assert len({names["a"] for names in found}) > 1 and found[0] == table_names(hits, "1")


def test_pictures_are_compressed_and_padded_to_one_length(tiny_run):
    smooth = np.full((200, 400, 3), 128, np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, smooth.shape, dtype=np.uint8)
    for layout in tiny_run.layouts():
        for method, picture in ((PHOTOS, smooth), ("crn", smooth + int(layout)), ("pix2pix", smooth)):
            write_png(tiny_run.image_file(method, layout), picture.astype(np.uint8))
    settings = ["test_trials=2", "sentinels=1", "practice=0", "hits=1"]
    batch = write_batch(tiny_run, load_protocol("lab", settings), ["pix2pix"], "crn")
    sizes = {batch.image(asset).stat().st_size for asset in batch.assets}
    assert len(sizes) == 1 and sizes.pop() < smooth.size / 20  # instruction checks are longest here
    noisy, raw = io.BytesIO(), io.BytesIO()
    for picture, file in ((noise, noisy), (smooth, raw)):
        Image.fromarray(picture).save(file, "PNG")
    one = padded(raw.getvalue(), len(noisy.getvalue()) + 12, "name")
    assert len(one) == len(padded(noisy.getvalue(), len(noisy.getvalue()) + 12, "name"))
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(one))), smooth)
