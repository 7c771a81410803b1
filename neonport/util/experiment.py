"""Running an experiment in YAML: the command that neon had, `neon file.yaml`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np

from neonport.backends import gen_backend
from neonport.benchmark import Benchmark
from neonport.callbacks import Callbacks
from neonport.errors import ConfigurationError
from neonport.log import logger
from neonport.models import Model
from neonport.util.argparser import NeonArgparser
from neonport.util.display_information import (
    display_cpu_information,
    display_model_params,
    display_platform_information,
)
from neonport.util.yaml_parse import create_objects, dataset_of, read_experiment


def run_experiment(path: str, arguments: Sequence[str] = ()) -> Model:
    """Train the network of an experiment on its data.

    Backend and epochs of the command line count before those of the file; the batch size of the
    file counts before that of the command line.

    Args:
        path: of the YAML file.
        arguments: options of `NeonArgparser`.

    Returns:
        The trained model.

    Raises:
        ConfigurationError: the file is no experiment; see `neonport.util.yaml_parse`.
        SystemExit: an option is wrong.

    Example:
        from neonport.util.experiment import run_experiment

        model = run_experiment("mlp.yaml", ["-e", "3"])  # doctest: +SKIP
    """
    root = read_experiment(path)
    before = sys.argv
    sys.argv = [path, *arguments]
    try:
        args = NeonArgparser(default_overrides={"epochs": None}).parse_args(gen_be=False)
    finally:
        sys.argv = before
    epochs = _whole(root, "epochs", 1) if args.epochs is None else args.epochs
    gen_backend(
        backend=args.backend or str(root.get("backend", "cpu")),
        rng_seed=args.rng_seed,
        device_id=args.device_id,
        batch_size=_whole(root, "batchsize", args.batch_size),
        datatype=np.dtype(args.datatype),
        stochastic_round=args.rounding,
        compat_mode=args.compat_mode,
    )
    if args.verbose > 2:
        display_platform_information()
        display_cpu_information()
        display_model_params(args, root)
    model, cost, optimizer = create_objects(root)
    data = dataset_of(root, args.data_dir)
    if args.model_file:
        model.load_params(args.model_file)
    if args.profile:
        model.initialize(data.train_iter, cost)
        model.optimizer = optimizer
        times = Benchmark(model).time(
            data.train_iter, inference=args.profile_inference, niterations=args.profile_iterations
        )
        Benchmark.print_stats(times, nskip=min(args.profile_iter_skip, args.profile_iterations - 1))
        return model
    if optimizer is None:
        raise ConfigurationError(f"{path}: the experiment names no optimizer")
    held_out = data.valid_iter if args.callback_args["eval_freq"] else None
    callbacks = Callbacks(model, eval_set=held_out, **args.callback_args)
    model.fit(data.train_iter, cost, optimizer, epochs, callbacks)
    logger.info("%s: %d epochs", path, model.epoch_index)
    return model


def _whole(root: dict[str, object], key: str, default: int) -> int:
    value = root.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigurationError(f"{key}: {str(value)[:80]} in the experiment is no whole number")
    return value
