"""The order in which people put the paper's methods, to compare the order of every automatic score with."""

# Chen & Koltun, ICCV 2017, Table 1: percent of comparisons in which CRN's image was rated more realistic (chance: 50)
TABLE_1: dict[str, dict[str, float]] = {
    "cityscapes": {"image_space": 99.7, "gan_segmentation": 98.5, "pix2pix": 96.9, "encoder_decoder": 78.3,
                   "full_resolution": 67.7},
    "nyu": {"image_space": 91.4, "gan_segmentation": 82.3, "pix2pix": 77.2, "encoder_decoder": 71.2,
            "full_resolution": 65.8},
}
TITLES = {"image_space": "Image-space loss", "gan_segmentation": "GAN + semantic segmentation", "pix2pix": "pix2pix",
          "encoder_decoder": "Encoder-decoder", "full_resolution": "Full-resolution network"}
REFERENCE = "crn"


def realism(table: str) -> dict[str, float]:
    """Method -> percent of comparisons with CRN that it won; CRN itself has 50. Higher is more realistic."""
    return {REFERENCE: 50.0} | {method: round(100 - percent, 1) for method, percent in TABLE_1[table].items()}
