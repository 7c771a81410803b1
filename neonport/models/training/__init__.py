"""A training: from the arguments of `fit` to the loop over minibatches, and its numbers."""
