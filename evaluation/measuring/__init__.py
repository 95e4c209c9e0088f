"""One pass over the images and what all metrics share: cache, context, intervals, preferences, leaks; uses networks."""
