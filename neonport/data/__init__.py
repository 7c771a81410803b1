"""Data: iterators over minibatches, and the data sets that come with the package."""

from typing import TYPE_CHECKING

from neonport.data.dataiterator import ArrayIterator as ArrayIterator
from neonport.data.dataiterator import NervanaDataIterator as NervanaDataIterator
from neonport.data.digits import Digits as Digits
from neonport.data.preparation import class_weights as class_weights
from neonport.data.preparation import train_validation_split as train_validation_split
from neonport.foundation.absent import absent_names

__all__ = [
    "ArrayIterator",
    "Digits",
    "NervanaDataIterator",
    "class_weights",
    "train_validation_split",
]

if not TYPE_CHECKING:
    __getattr__ = absent_names(__name__)
