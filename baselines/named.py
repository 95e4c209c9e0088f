"""The methods that have a name: a generator and an objective of baselines.methods. Plain text, read without torch."""

# name: (title in tables, generator, objective)
METHODS: dict[str, tuple[str, str, str]] = {
    "crn": ("CRN", "crn", "content"),
    "crn_diversity": ("CRN, diversity loss", "crn", "diversity"),
    "pix2pix": ("pix2pix (Isola et al.)", "pix2pix", "gan"),
    "gan_segmentation": ("GAN + semantic segmentation", "dcgan", "gan_segmentation"),
    "encoder_decoder": ("Encoder-decoder (U-Net)", "unet", "content"),
    "recombinator": ("Encoder-decoder (Recombinator)", "recombinator", "content"),
    "full_resolution": ("Full-resolution network", "full_resolution", "content"),
    "image_space": ("Image-space loss", "crn", "image_space"),
}
