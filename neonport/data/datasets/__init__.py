"""Data sets in files, which are fetched when they are first needed."""

from typing import TYPE_CHECKING

from neonport.data.datasets.captions import Coco as Coco
from neonport.data.datasets.captions import Flickr8k as Flickr8k
from neonport.data.datasets.captions import Flickr30k as Flickr30k
from neonport.data.datasets.dataset import Dataset as Dataset
from neonport.data.datasets.images import CIFAR10 as CIFAR10
from neonport.data.datasets.images import DUMMY as DUMMY
from neonport.data.datasets.images import MNIST as MNIST
from neonport.data.datasets.reviews import IMDB as IMDB
from neonport.data.datasets.sick import SICK as SICK
from neonport.data.datasets.stories import BABI as BABI
from neonport.data.datasets.text_files import PTB as PTB
from neonport.data.datasets.text_files import HutterPrize as HutterPrize
from neonport.data.datasets.text_files import Shakespeare as Shakespeare
from neonport.data.datasets.translation import TextNMT as TextNMT
from neonport.foundation.absent import absent_names

if not TYPE_CHECKING:
    __getattr__ = absent_names(__name__, kind="dataset")
