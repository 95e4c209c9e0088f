"""One pass over the images feeds every network; features and predictions are cached."""
