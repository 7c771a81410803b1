"""What all optimizers share: ranges of hyper-parameters, stochastic rounding."""
