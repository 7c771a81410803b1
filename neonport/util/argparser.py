"""NeonArgparser: the command line of neon's scripts, with a configuration file and environment."""

from __future__ import annotations

import argparse
import logging
import logging.handlers
import os
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from neonport import __version__
from neonport.backends import gen_backend
from neonport.base import get_args
from neonport.callbacks.container import Callbacks
from neonport.errors import ConfigurationError
from neonport.log import logger

try:
    import configargparse
except ImportError as error:  # an extra: only scripts of neon's need it
    raise ImportError(
        "NeonArgparser needs ConfigArgParse; pip install 'neonport[neon]' (or configargparse)"
    ) from error

DTYPES = {"f16": np.float16, "f32": np.float32, "f64": np.float64}
VARIABLES = "NEON_"  # before the name of an option in the environment: NEON_BATCH_SIZE=64
LOG_BYTES, LOG_FILES = 10 * 2**20, 5
OVERRIDES = {
    "verbose": 1,
    "epochs": 10,
    "save_path": None,
    "serialize": 0,
    "output_file": None,
    "eval_freq": None,
    "history": 1,
    "device_id": 0,
    "max_devices": None,
    "rng_seed": None,
    "rounding": False,
    "datatype": "f32",
    "batch_size": 128,
}
"""Defaults that a script may change through `default_overrides`."""


def extract_valid_args(
    args: argparse.Namespace, func: Callable[..., Any], startidx: int = 0
) -> dict[str, Any]:
    """Those entries of a namespace that are arguments of a function.

    Args:
        args: what `parse_args` returned.
        func: function or class.
        startidx: how many of its arguments to leave out, from the first.

    Example:
        args = argparse.Namespace(backend="cpu", batch_size=64, epochs=10)
        assert extract_valid_args(args, gen_backend) == {"backend": "cpu", "batch_size": 64}
    """
    target: Any = func
    if isinstance(func, type):
        target = target.__init__
    names = [name for name in get_args(target) if name != "self"][startidx:]
    return {name: vars(args)[name] for name in names if name in vars(args)}


class NeonArgparser(configargparse.ArgumentParser):
    """The parser of neon's scripts.

    Options are taken from the command line, then from the environment (`NEON_BATCH_SIZE`), then
    from a configuration file (`--config`, or `~/nervana/neon.cfg` if it is there), then from
    defaults.

    Args:
        args: as of `configargparse.ArgumentParser`.
        default_overrides: other defaults for some options: see `OVERRIDES`.
        kwargs: as of `configargparse.ArgumentParser`.

    Attributes:
        work_dir: `~/nervana`, where data are put if nothing else is said.

    Raises:
        ConfigurationError: `default_overrides` is no dict.

    Example:
        parser = NeonArgparser(__doc__, default_overrides={"batch_size": 64})
        parser.add_argument("--width", type=int, default=100)
        args = parser.parse_args()  # also makes the backend
    """

    def __init__(
        self, *args: Any, default_overrides: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> None:
        self._parsed = False
        self.work_dir = os.path.join(os.path.expanduser("~"), "nervana")
        kwargs.setdefault("auto_env_var_prefix", VARIABLES)
        kwargs.setdefault("default_config_files", [os.path.join(self.work_dir, "neon.cfg")])
        kwargs.setdefault("formatter_class", argparse.ArgumentDefaultsHelpFormatter)
        kwargs.setdefault("add_config_file_help", False)
        kwargs.setdefault("add_env_var_help", False)
        if args:  # the first is a description, as neon's scripts give it
            kwargs.setdefault("description", args[0])
        super().__init__(**kwargs)
        if not isinstance(default_overrides, (Mapping, type(None))):
            raise ConfigurationError(
                f"NeonArgparser: default_overrides is {default_overrides!r}; give a dict"
            )
        given = dict(default_overrides or {})
        self.defaults = {**OVERRIDES, **{k: v for k, v in given.items() if k in OVERRIDES}}
        self._add_options()

    def _add_options(self) -> None:
        add, of = self.add_argument, self.defaults
        add("--version", action="version", version=f"neonport {__version__}")
        add(
            "-c",
            "--config",
            is_config_file=True,
            help="file with lines of option = value",
        )
        add(
            "-v", "--verbose", action="count", default=of["verbose"],
            help="say more; -vv says all",
        )  # fmt: skip
        add("--no_progress_bar", action="store_true", help="show no progress bar")

        group = self.add_argument_group("data and results")
        add = group.add_argument
        add(
            "-w", "--data_dir", default=os.path.join(self.work_dir, "data"),
            help="folder of the data sets",
        )  # fmt: skip
        add("-e", "--epochs", type=int, default=of["epochs"], help="epochs to train in all")
        add("-s", "--save_path", default=of["save_path"], help="file for checkpoints")
        add(
            "--serialize", nargs="?", type=int, default=of["serialize"], const=1, metavar="N",
            help="epochs between two checkpoints",
        )  # fmt: skip
        add("--model_file", help="checkpoint to start from")
        add(
            "-l", "--log", dest="logfile", nargs="?", metavar="FILE",
            const=os.path.join(self.work_dir, "neon_log.txt"), help="file for messages",
        )  # fmt: skip
        add(
            "-o", "--output_file", default=of["output_file"], help="HDF5 file for costs and metrics"
        )
        add(
            "-eval", "--eval_freq", type=int, default=of["eval_freq"], metavar="N",
            help="epochs between two evaluations of the held-out data",
        )  # fmt: skip
        add("-H", "--history", type=int, default=of["history"], help="checkpoints to keep")
        add("--log_token", default="", help="accepted; the service is gone")
        add(
            "--manifest", action="append", default=None, metavar="NAME:FILE",
            help="manifest of a data set; may be given again",
        )  # fmt: skip
        add("--manifest_root", help="folder that the files of manifests are in")

        group = self.add_argument_group("backend")
        add = group.add_argument
        add("-b", "--backend", help="cpu, cuda (gpu), opencl, or another that is installed")
        add("-i", "--device_id", type=int, default=of["device_id"], help="which device")
        add(
            "-m", "--max_devices", type=int, default=of["max_devices"],
            help="accepted: one device is used",
        )  # fmt: skip
        add("-r", "--rng_seed", type=int, default=of["rng_seed"], help="seed of random numbers")
        add(
            "-u", "--rounding", nargs="?", type=int, default=of["rounding"], const=True,
            metavar="BITS", help="stochastic rounding, for optimizers of the script",
        )  # fmt: skip
        add(
            "-d", "--datatype", choices=sorted(DTYPES), default=of["datatype"],
            help="type of the numbers",
        )  # fmt: skip
        add("-z", "--batch_size", type=int, default=of["batch_size"], help="samples in a minibatch")
        add("--caffe", action="store_true", help="sizes and dropout as Caffe has them")
        add("--deterministic", action="store_true", help="accepted: results are the same each time")

        group = self.add_argument_group("profile")
        add = group.add_argument
        add(
            "--profile", action="store_true", help="time minibatches and layers instead of training"
        )
        add("--profile_inference", action="store_true", help="time the forward pass only")
        add("--profile_iterations", type=int, default=50, help="minibatches to time")
        add("--profile_iter_skip", type=int, default=5, help="minibatches before that")
        add("--profiling_method", default="time", help="accepted: time is measured")

    def add_yaml_arg(self) -> None:
        """Add the argument `yaml_file`: an experiment, which is opened for reading."""
        self.add_argument("yaml_file", type=argparse.FileType("r"), help="experiment in YAML")

    def add_argument(self, *args: Any, **kwargs: Any) -> Any:
        """Add an option, before `parse_args`; see `argparse`."""
        if getattr(self, "_parsed", False):
            warnings.warn(
                f"NeonArgparser: {args} is added after parse_args and is not read", stacklevel=2
            )
        return super().add_argument(*args, **kwargs)

    # neon gave parse_args another argument than argparse has
    def parse_args(self, gen_be: bool = True) -> argparse.Namespace:
        """Read `sys.argv`, environment and configuration file, and make the backend.

        Args:
            gen_be: make the backend; False leaves it to the script.

        Returns:
            The options. Beside them `progress_bar`, `compat_mode`, and `callback_args`: the keyword
            arguments for `Callbacks`.

        Raises:
            SystemExit: an option is wrong; argparse has said which.
            OSError: `save_path`, `model_file` or the log file cannot be used.
            ConfigurationError: a manifest is no NAME:FILE.
        """
        args: argparse.Namespace = super().parse_args(sys.argv[1:])
        self._parsed = True
        for name in ("data_dir", "save_path", "model_file", "output_file", "logfile"):
            path = getattr(args, name)
            setattr(args, name, path and os.path.expanduser(path))
        args.progress_bar = not args.no_progress_bar
        _set_up_messages(args)
        args.datatype = DTYPES[args.datatype]
        args.manifest = _manifests(args.manifest)
        _check_files(args)
        args.compat_mode = "caffe" if args.caffe else None
        if gen_be:
            gen_backend(
                backend=args.backend,
                rng_seed=args.rng_seed,
                device_id=args.device_id,
                batch_size=args.batch_size,
                datatype=args.datatype,
                max_devices=args.max_devices,
                compat_mode=args.compat_mode,
            )
        args.callback_args = extract_valid_args(args, Callbacks, startidx=1)
        return args


def _set_up_messages(args: argparse.Namespace) -> None:
    """Send messages to stderr, and to a file if one is given, from the chosen level on."""
    level = max(logging.DEBUG, logging.ERROR - 10 * args.verbose)
    form = logging.Formatter("%(asctime)s - %(name)s - %(levelname)s - %(message)s")
    for old in [h for h in logger.handlers if getattr(h, "of_neon_argparser", False)]:
        logger.removeHandler(old)
        old.close()
    handlers: list[logging.Handler] = [logging.StreamHandler()]
    if args.logfile:
        os.makedirs(os.path.dirname(os.path.abspath(args.logfile)), exist_ok=True)
        handlers.append(
            logging.handlers.RotatingFileHandler(
                args.logfile, maxBytes=LOG_BYTES, backupCount=LOG_FILES
            )
        )
        if args.progress_bar:  # which messages would break
            handlers[0].setLevel(logging.ERROR)
    for handler in handlers:
        handler.setFormatter(form)
        handler.of_neon_argparser = True  # type: ignore[attr-defined]
        logger.addHandler(handler)
    logger.setLevel(level)
    logger.propagate = False


def _manifests(given: Sequence[str] | None) -> dict[str, str]:
    """Turn `NAME:FILE` options into a dict.

    Raises:
        ConfigurationError: one is not of this form.
    """
    found = {}
    for text in given or ():
        name, colon, path = text.partition(":")
        if not (name and colon and path):
            raise ConfigurationError(f"--manifest {text}: give NAME:FILE, such as train:train.csv")
        found[name] = path
    return found


def _check_files(args: argparse.Namespace) -> None:
    """Check what will be written and read, before anything is computed.

    Raises:
        OSError: the folder cannot be made or written, or the file cannot be read.
    """
    if args.save_path:
        folder = os.path.dirname(os.path.abspath(args.save_path))
        os.makedirs(folder, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise OSError(f"--save_path {args.save_path}: {folder} cannot be written")
        args.serialize = args.serialize or 1
    elif args.serialize > 0:
        args.save_path = "neon_model.pkl"
    if args.model_file and not os.access(args.model_file, os.R_OK):
        raise OSError(
            f"--model_file {args.model_file}: there is no such file, or it cannot be read"
        )
