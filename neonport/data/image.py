"""Where neon has its data sets of images."""

from neonport.data.datasets.images import CIFAR10 as CIFAR10
from neonport.data.datasets.images import DUMMY as DUMMY
from neonport.data.datasets.images import MNIST as MNIST
