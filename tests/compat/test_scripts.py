"""Scripts that were written for neon run unchanged, and leave nothing behind."""

from __future__ import annotations

import builtins
import collections
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from neonport.backends import cleanup_backend
from neonport.cli.main import main
from neonport.compat import run_script
from neonport.errors import ConfigurationError

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
