"""Scripts that were written for neon run unchanged, and leave nothing behind."""

from __future__ import annotations

import builtins
import collections
import gzip
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from neonport.backends import cleanup_backend
from neonport.cli.main import main
from neonport.compat import run_script
from neonport.errors import ConfigurationError
from tests.fixtures.old_pickles import python2

MLP = '''
"""A network for clouds of points.

Usage: python clouds.py -e 3
"""
from builtins import range
import numpy as np
from neon import logger as neon_logger
from neon.callbacks.callbacks import Callbacks
from neon.data import ArrayIterator
from neon.initializers import Gaussian
from neon.layers import GeneralizedCost, Affine
from neon.models import Model
from neon.optimizers import GradientDescentMomentum
from neon.transforms import Rectlin, Logistic, CrossEntropyBinary, Misclassification
from neon.util.argparser import NeonArgparser, extract_valid_args

parser = NeonArgparser(__doc__, default_overrides={'batch_size': 32})
parser.add_argument('--width', type=int, default=20)
args = parser.parse_args()

rng = np.random.RandomState(0)
y = rng.randint(0, 4, 256).astype(np.int)
X = (rng.normal(size=(4, 10))[y] + 0.3 * rng.normal(size=(256, 10))).astype(np.float32)
train_set = ArrayIterator(X, y, nclass=4, lshape=(1, 1, 10))
valid_set = ArrayIterator(X, y, nclass=4, lshape=(1, 1, 10))

init_norm = Gaussian(loc=0.0, scale=0.1)
layers = [Affine(nout=args.width, init=init_norm, activation=Rectlin()),
          Affine(nout=4, init=init_norm, activation=Logistic(shortcut=True))]
cost = GeneralizedCost(costfunc=CrossEntropyBinary())
optimizer = GradientDescentMomentum(0.1, momentum_coef=0.9, stochastic_round=args.rounding)
mlp = Model(layers=layers)
callbacks = Callbacks(mlp, eval_set=valid_set, **args.callback_args)
mlp.fit(train_set, optimizer=optimizer, num_epochs=args.epochs, cost=cost, callbacks=callbacks)
error_rate = mlp.eval(valid_set, metric=Misclassification())
neon_logger.display('Misclassification error = %.1f%%' % (error_rate * 100))
'''

DIGITS = '''
"""A network for handwritten digits."""
from neon.callbacks.callbacks import Callbacks
from neon.data import MNIST
from neon.initializers import Gaussian
from neon.layers import GeneralizedCost, Affine
from neon.models import Model
from neon.optimizers import GradientDescentMomentum
from neon.transforms import Rectlin, Logistic, CrossEntropyBinary, Misclassification
from neon.util.argparser import NeonArgparser

args = NeonArgparser(__doc__).parse_args()
dataset = MNIST(path=args.data_dir)
train_set = dataset.train_iter
valid_set = dataset.valid_iter
init_norm = Gaussian(loc=0.0, scale=0.01)
layers = [Affine(nout=20, init=init_norm, activation=Rectlin()),
          Affine(nout=10, init=init_norm, activation=Logistic(shortcut=True))]
cost = GeneralizedCost(costfunc=CrossEntropyBinary())
optimizer = GradientDescentMomentum(0.1, momentum_coef=0.9, stochastic_round=args.rounding)
mlp = Model(layers=layers)
callbacks = Callbacks(mlp, eval_set=valid_set, **args.callback_args)
mlp.fit(train_set, optimizer=optimizer, num_epochs=args.epochs, cost=cost, callbacks=callbacks)
error_rate = mlp.eval(valid_set, metric=Misclassification())
'''

CHARACTERS = '''
"""A network that reads characters."""
from neon.backends import gen_backend
from neon.callbacks.callbacks import Callbacks
from neon.data import PTB
from neon.initializers import Uniform
from neon.layers import GeneralizedCost, LSTM, Affine, GRU
from neon.models import Model
from neon.optimizers import RMSProp, Schedule
from neon.transforms import Logistic, Tanh, Softmax, CrossEntropyMulti
from neon.util.argparser import NeonArgparser, extract_valid_args

parser = NeonArgparser(__doc__)
parser.add_argument('--rlayer_type', default='lstm', choices=['gru', 'lstm'])
args = parser.parse_args(gen_be=False)
args.batch_size = 8
be = gen_backend(**extract_valid_args(args, gen_backend))

dataset = PTB(5, path=args.data_dir)
train_set = dataset.train_iter
valid_set = dataset.valid_iter
init = Uniform(low=-0.08, high=0.08)
if args.rlayer_type == 'lstm':
    rlayer = LSTM(16, init, activation=Tanh(), gate_activation=Logistic())
else:
    rlayer = GRU(16, init, activation=Tanh(), gate_activation=Logistic())
layers = [rlayer, Affine(len(train_set.vocab), init, bias=init, activation=Softmax())]
model = Model(layers=layers)
cost = GeneralizedCost(costfunc=CrossEntropyMulti(usebits=True))
optimizer = RMSProp(gradient_clip_value=15, stochastic_round=args.rounding,
                    schedule=Schedule(list(range(5, args.epochs)), .97))
callbacks = Callbacks(model, eval_set=valid_set, **args.callback_args)
model.fit(train_set, optimizer=optimizer, num_epochs=args.epochs, cost=cost, callbacks=callbacks)
outputs = model.get_outputs(valid_set)
'''

NAMES = """
import collections
import inspect
import itertools
import time
import numpy as np
import numpy
import cPickle
from collections import Iterable, Mapping, OrderedDict, namedtuple
from future import standard_library
standard_library.install_aliases()
from future.utils import iteritems
from nose.plugins.attrib import attr
from nose.tools import nottest, assert_equal
import nose
from past.builtins import basestring, xrange
from past.utils import old_div
import past.utils
import beside
import package.inner
from package import inner as again

assert np.float is float and np.int(3) == 3 and numpy.object is object
assert np.float32(1) == 1 and np.random.rand(2).shape == (2,) and np.linalg.norm([3, 4]) == 5
assert np.product([2, 3]) == 6 and np.Inf == float("inf") and np.in1d([1], [1]).all()
assert isinstance([], collections.Iterable) and issubclass(dict, Mapping)
assert OrderedDict([(1, 2)])[1] == 2 and namedtuple("P", "x")(3).x == 3
assert inspect.getargspec(lambda a, b=1: None).args == ["a", "b"]
assert list(itertools.izip([1], [2])) == [(1, 2)] and time.clock() > 0
assert cPickle.loads(cPickle.dumps(1)) == 1
assert list(iteritems({1: 2})) == [(1, 2)] and old_div(7, 2) == 3 and old_div(7., 2) == 3.5
assert past.utils.old_div is old_div
assert isinstance("", basestring) and list(xrange(2)) == [0, 1]
assert beside.kind is float and again.kind is int and package.inner is again

@attr('slow')
@nottest
def work():
    raise nose.SkipTest()

def late():
    import numpy as other
    return other.float
assert late() is float
try:
    np.nothing
except AttributeError as error:
    assert "nothing" in str(error)
else:
    raise AssertionError
done = True
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "clouds.py").write_text(MLP)
    (tmp_path / "names.py").write_text(textwrap.dedent(NAMES))
    (tmp_path / "beside.py").write_text("import numpy as np\nkind = np.float\n")
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("")
    (tmp_path / "package" / "inner.py").write_text("from numpy import int as kind\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    yield tmp_path
    cleanup_backend()


def state():
    return list(sys.meta_path), list(sys.path), list(sys.argv), dict(vars(builtins))


def test_names_that_are_gone_work_in_the_script_only(folder):
    before = state(), set(sys.modules)
    assert run_script(folder / "names.py")["done"]
    assert state() == before[0]
    new = set(sys.modules) - before[1]
    assert not new & {"beside", "package", "package.inner", "neon", "past", "nose", "future"}
    for name in ("float", "int", "product"):
        assert not hasattr(np, name)
    assert not hasattr(collections, "Iterable")


def test_a_script_of_the_usual_kind(folder, caplog):
    with caplog.at_level("INFO", "neonport"):
        names = run_script(folder / "clouds.py", ["-e", "5", "-r", "1", "--width", "30"])
    assert float(names["error_rate"]) < 0.1
    assert names["layers"][0][0].nout == 30
    assert names["args"].callback_args["progress_bar"] is True
    assert names["mlp"].epoch_index == 5


def test_a_script_of_handwritten_digits(folder):
    (folder / "digits.py").write_text(DIGITS)
    rng = np.random.RandomState(0)
    labels = np.arange(256) % 10
    images = np.minimum(255, 40 * rng.rand(10, 28, 28)[labels] ** 2 + rng.rand(256, 28, 28))
    part = (8 * images).clip(0, 255).astype(np.uint8), labels
    (folder / "mnist.pkl.gz").write_bytes(gzip.compress(python2((part, part)), 1))
    names = run_script("digits.py", ["-e", "6", "-r", "1", "-w", str(folder), "-z", "32"])
    assert names["train_set"].shape == (1, 28, 28)
    assert float(names["error_rate"]) < 0.1


def test_a_script_that_reads_characters(folder):
    (folder / "characters.py").write_text(CHARACTERS)
    for part in ("train", "test", "valid"):
        (folder / f"ptb.{part}.txt").write_text(" no it was n't black monday \n" * 20)
    names = run_script("characters.py", ["-e", "40", "-r", "1", "-w", str(folder)])
    assert names["outputs"].shape[1:] == (5, len(names["train_set"].vocab))
    untrained = np.log2(len(names["train_set"].vocab))  # bits of a character
    assert names["model"].total_cost.item() < 0.6 * untrained


@pytest.mark.parametrize("how", [["-m", "neonport", "run"], ["-m", "neonport.compat"]])
def test_both_commands(folder, how):
    done = subprocess.run(
        [sys.executable, *how, "clouds.py", "-b", "cpu", "-e", "4", "--no_progress_bar"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Misclassification error = " in done.stderr


def test_errors_and_ends_of_scripts(folder, capsys):
    (folder / "bad.py").write_text("import beside\nraise ValueError('in the script')\n")
    (folder / "end.py").write_text("import sys\nsys.exit(3)\n")
    before = state()
    with pytest.raises(ValueError, match="in the script"):
        run_script(folder / "bad.py")
    assert state() == before
    with pytest.raises(SystemExit):
        run_script("end.py")
    assert state() == before
    assert main(["run", "bad.py"]) == 1
    assert "in the script" in capsys.readouterr().err
    with pytest.raises(ConfigurationError, match="there is no script"):
        run_script("none.py")
    assert main(["run", "none.py"]) == 2


def test_a_module_that_neon_had_and_we_have_not(folder):
    (folder / "old.py").write_text("import neon.nothing\n")
    with pytest.raises(ModuleNotFoundError, match="has no module"):
        run_script("old.py")
