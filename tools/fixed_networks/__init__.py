"""Makes the networks that ship with a dataset rendered in code: judge, perceptual network, segmenter. Each is made
once, by one command (python -m tools.fixed_networks NAME), and stored with a card that records how."""
