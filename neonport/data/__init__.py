"""Data: iterators over minibatches, and the data sets that come with the package."""

from neonport.data.dataiterator import ArrayIterator as ArrayIterator
from neonport.data.dataiterator import NervanaDataIterator as NervanaDataIterator
from neonport.data.digits import Digits as Digits

__all__ = ["ArrayIterator", "Digits", "NervanaDataIterator"]
