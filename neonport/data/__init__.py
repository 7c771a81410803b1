"""Data: iterators over minibatches, and data sets."""

from typing import TYPE_CHECKING

from neonport.data.dataiterator import ArrayIterator as ArrayIterator
from neonport.data.dataiterator import NervanaDataIterator as NervanaDataIterator
from neonport.data.datasets import BABI as BABI
from neonport.data.datasets import CIFAR10 as CIFAR10
from neonport.data.datasets import DUMMY as DUMMY
from neonport.data.datasets import IMDB as IMDB
from neonport.data.datasets import MNIST as MNIST
from neonport.data.datasets import PTB as PTB
from neonport.data.datasets import SICK as SICK
from neonport.data.datasets import Coco as Coco
from neonport.data.datasets import Dataset as Dataset
from neonport.data.datasets import Flickr8k as Flickr8k
from neonport.data.datasets import Flickr30k as Flickr30k
from neonport.data.datasets import HutterPrize as HutterPrize
from neonport.data.datasets import Shakespeare as Shakespeare
from neonport.data.datasets import TextNMT as TextNMT
from neonport.data.datasets.digits import Digits as Digits
from neonport.data.hdf5iterator import HDF5Iterator as HDF5Iterator
from neonport.data.hdf5iterator import HDF5IteratorAutoencoder as HDF5IteratorAutoencoder
from neonport.data.hdf5iterator import HDF5IteratorOneHot as HDF5IteratorOneHot
from neonport.data.imagecaption import ImageCaption as ImageCaption
from neonport.data.imagecaption import ImageCaptionTest as ImageCaptionTest
from neonport.data.questionanswer import QA as QA
from neonport.data.rows.preparation import class_weights as class_weights
from neonport.data.rows.preparation import train_validation_split as train_validation_split
from neonport.data.sources.augmentation import ImageAugmentation as ImageAugmentation
from neonport.data.sources.dataset_iterator import DatasetIterator as DatasetIterator
from neonport.data.sources.frame_iterator import FrameIterator as FrameIterator
from neonport.data.sources.image_folder import ImageFolder as ImageFolder
from neonport.data.sources.loader_iterator import LoaderIterator as LoaderIterator
from neonport.data.sources.row_iterator import RowIterator as RowIterator
from neonport.data.text import Text as Text
from neonport.data.ticker import CopyTask as CopyTask
from neonport.data.ticker import PrioritySortTask as PrioritySortTask
from neonport.data.ticker import RepeatCopyTask as RepeatCopyTask
from neonport.data.ticker import Ticker as Ticker
from neonport.foundation.absent import absent_names

__all__ = [
    "BABI",
    "CIFAR10",
    "DUMMY",
    "IMDB",
    "MNIST",
    "PTB",
    "QA",
    "SICK",
    "ArrayIterator",
    "Coco",
    "CopyTask",
    "Dataset",
    "DatasetIterator",
    "Digits",
    "Flickr8k",
    "Flickr30k",
    "FrameIterator",
    "HDF5Iterator",
    "HDF5IteratorAutoencoder",
    "HDF5IteratorOneHot",
    "HutterPrize",
    "ImageAugmentation",
    "ImageCaption",
    "ImageCaptionTest",
    "ImageFolder",
    "LoaderIterator",
    "NervanaDataIterator",
    "PrioritySortTask",
    "RepeatCopyTask",
    "RowIterator",
    "Shakespeare",
    "Text",
    "TextNMT",
    "Ticker",
    "class_weights",
    "train_validation_split",
]

if not TYPE_CHECKING:
    __getattr__ = absent_names(__name__)
