"""The command line of neon's scripts."""

from __future__ import annotations

import logging
import sys

import numpy as np
import pytest

from neonport.backends import cleanup_backend, gen_backend
from neonport.base import NervanaObject
from neonport.errors import ConfigurationError
from neonport.log import logger
from neonport.util.argparser import NeonArgparser, extract_valid_args


@pytest.fixture
def parse(tmp_path, monkeypatch):
    """A function that reads a command line."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    before = logger.level, logger.propagate, list(logger.handlers)

    def run(*options, gen_be=True, setup=lambda parser: None, **kwargs):
        monkeypatch.setattr(sys, "argv", ["script.py", *options])
        parser = NeonArgparser("A script.", **kwargs)
        setup(parser)
        return parser.parse_args(gen_be=gen_be)

    yield run
    cleanup_backend()
    for handler in set(logger.handlers) - set(before[2]):
        handler.close()
    logger.level, logger.propagate, logger.handlers[:] = before


def test_defaults(parse, tmp_path):
    args = parse()
    assert args.epochs == 10
    assert args.batch_size == 128
    assert args.datatype is np.float32
    assert args.data_dir == str(tmp_path / "nervana" / "data")
    assert args.progress_bar
    assert args.callback_args == {
        "output_file": None, "eval_freq": None, "progress_bar": True, "save_path": None,
        "serialize": 0, "history": 1, "model_file": None, "log_token": "",
    }  # fmt: skip
    be = NervanaObject.be
    assert (be.bsz, be.default_dtype, be.compat_mode) == (128, np.float32, None)
    assert logger.level == logging.WARNING


def test_every_option(parse, tmp_path):
    (tmp_path / "old.prm").write_bytes(b"")
    args = parse(
        *[
            "-b",
            "cpu",
            "-e",
            "3",
            "-z",
            "32",
            "-r",
            "5",
            "-d",
            "f64",
            "-i",
            "0",
            "-m",
            "1",
            "-v",
            "-v",
            "--caffe",
            "--no_progress_bar",
        ],
        *[
            "--eval_freq",
            "2",
            "-H",
            "4",
            "-o",
            "out.h5",
            "--serialize",
            "--model_file",
            "old.prm",
            "-w",
            "~/data",
        ],
        *["--manifest", "train:a.csv", "--manifest", "val:b.csv", "--manifest_root", "/data", "-l"],
    )
    assert (args.epochs, args.eval_freq, args.history, args.serialize) == (3, 2, 4, 1)
    assert args.save_path == "neon_model.pkl"
    assert args.manifest == {"train": "a.csv", "val": "b.csv"}
    assert args.data_dir == str(tmp_path / "data")
    assert args.callback_args["model_file"] == "old.prm"
    be = NervanaObject.be
    assert (be.bsz, be.default_dtype, be.rng_seed, be.compat_mode) == (32, np.float64, 5, "caffe")
    assert logger.level == logging.DEBUG
    logger.debug("kept")
    assert "kept" in (tmp_path / "nervana" / "neon_log.txt").read_text()


def test_where_values_come_from(parse, tmp_path, monkeypatch):
    (tmp_path / "my.cfg").write_text("epochs = 4\nbatch_size = 16\nrng_seed = 1\n")
    monkeypatch.setenv("NEON_BATCH_SIZE", "8")
    args = parse("-c", "my.cfg", "-r", "2", gen_be=False, default_overrides={"epochs": 7})
    assert (args.epochs, args.batch_size, args.rng_seed) == (4, 8, 2)
    (tmp_path / "nervana").mkdir()
    (tmp_path / "nervana" / "neon.cfg").write_text("epochs = 5\n")
    assert parse(gen_be=False).epochs == 5
    assert parse("-u", gen_be=False).rounding is True
    assert parse("-u", "12", gen_be=False).rounding == 12
    args = parse(gen_be=False, default_overrides={"history": 3, "serialize": 2, "backend": "x"})
    assert (args.history, args.serialize, args.backend) == (3, 2, None)


def test_options_of_the_script(parse):
    def setup(parser):
        parser.add_argument("--width", type=int, default=3)

    assert parse("--width", "5", gen_be=False, setup=setup).width == 5
    args = parse(gen_be=False)
    assert extract_valid_args(args, gen_backend) == {
        "backend": None, "rng_seed": None, "batch_size": 128, "device_id": 0, "max_devices": None,
        "datatype": np.float32, "compat_mode": None, "deterministic": False,
    }  # fmt: skip


def test_an_option_that_comes_too_late(parse, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["script.py"])
    parser = NeonArgparser()
    parser.parse_args(gen_be=False)
    with pytest.warns(UserWarning, match="after parse_args"):
        parser.add_argument("--late")


def test_yaml(parse, tmp_path):
    (tmp_path / "mlp.yaml").write_text("epochs: 3\n")
    args = parse("mlp.yaml", gen_be=False, setup=NeonArgparser.add_yaml_arg)
    assert args.yaml_file.read() == "epochs: 3\n"
    args.yaml_file.close()


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ("--model_file none.prm", OSError, "none.prm"),
        ("--manifest train.csv", ConfigurationError, "NAME:FILE"),
        ("-e three", SystemExit, "2"),
        ("-d f8", SystemExit, "2"),
        ("--unknown", SystemExit, "2"),
    ],
)
def test_mistakes(parse, options, error, words):
    with pytest.raises(error, match=words):
        parse(*options.split())
    with pytest.raises(ConfigurationError, match="give a dict"):
        parse(default_overrides=["epochs"])
