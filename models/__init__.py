"""The paper's own parts: the cascaded refinement network, the perceptual pyramid, the losses on its features."""
