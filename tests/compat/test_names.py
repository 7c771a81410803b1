"""Every module path and public name of neon's library."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from neonport.backends import gen_backend
from neonport.errors import ConfigurationError

NAMES = {
    "": "gen_backend NervanaObject logger __version__ get_args",
    "backends": "gen_backend cleanup_backend Autodiff",
    "backends.backend": "Tensor Backend OpTreeNode OpCollection Block",
    "backends.autodiff": "Autodiff",
    "backends.nervanacpu": "NervanaCPU CPUTensor",
    "backends.nervanagpu": "NervanaGPU GPUTensor",
    "backends.nervanamkl": "NervanaMKL",
    "backends.layer_cpu": "ConvLayer DeconvLayer PoolLayer ceil_div",
    "backends.util.check_gpu": "get_device_count get_compute_capability ensure_gpu_capability",
    "backends.util.check_mkl": "get_mkl_lib",
    "benchmark": "Benchmark",
    "callbacks": "Callbacks",
    "callbacks.callbacks": "Callbacks Callback SerializeModelCallback RunTimerCallback "
    "TrainCostCallback TrainMulticostCallback LossCallback MetricCallback "
    "MultiLabelStatsCallback HistCallback ProgressBarCallback TrainLoggerCallback "
    "SaveBestStateCallback EarlyStopCallback DeconvCallback BatchNormTuneCallback "
    "WatchTickerCallback GANCostCallback",
    "callbacks.plotting_callbacks": "GANPlotCallback",
    "data": "NervanaDataIterator ArrayIterator HDF5Iterator HDF5IteratorOneHot "
    "HDF5IteratorAutoencoder Dataset Text Shakespeare PTB HutterPrize IMDB SICK BABI QA Ticker "
    "CopyTask RepeatCopyTask PrioritySortTask ImageCaption ImageCaptionTest Flickr8k Flickr30k "
    "Coco MNIST CIFAR10 DUMMY",
    "data.aeon_shim": "AeonDataLoader",
    "data.convert_manifest": "convert_manifest",
    "data.dataiterator": "NervanaDataIterator ArrayIterator",
    "data.dataloader_transformers": "DataLoaderTransformer OneHot PixelWiseOneHot TypeCast Retuple "
    "BGRMeanSubtract ValueNormalize DumpImage",
    "data.dataloaderadapter": "DataLoaderAdapter",
    "data.datasets": "Dataset",
    "data.hdf5iterator": "HDF5Iterator HDF5IteratorOneHot HDF5IteratorAutoencoder",
    "data.image": "MNIST CIFAR10",
    "data.imagecaption": "ImageCaption ImageCaptionTest Flickr8k Flickr30k Coco",
    "data.indexer": "Indexer",
    "data.questionanswer": "QA BABI",
    "data.text": "Text TextNMT Shakespeare PTB HutterPrize IMDB SICK",
    "data.text_preprocessing": "clean_string pad_sentences pad_data get_paddedXY "
    "get_google_word2vec_W",
    "data.ticker": "Ticker CopyTask RepeatCopyTask PrioritySortTask",
    "initializers": "Array Constant Gaussian GlorotUniform IdentityInit Kaiming Orthonormal "
    "Uniform Xavier",
    "initializers.initializer": "Initializer Array Constant Gaussian GlorotUniform IdentityInit "
    "Kaiming Orthonormal Uniform Xavier",
    "layers": "Linear Bias Affine Conv Convolution GeneralizedCost Dropout Pooling Activation "
    "DataTransform BatchNorm BatchNormAutodiff ShiftBatchNorm Deconv Deconvolution "
    "GeneralizedCostMask LookupTable BranchNode SkipNode LRN BinaryAffine BinaryLinear Reshape "
    "RoiPooling GeneralizedGANCost Recurrent LSTM GRU RecurrentSum RecurrentMean RecurrentLast "
    "BiRNN BiBNRNN BiLSTM DeepBiRNN DeepBiLSTM Tree Sequential MergeMultistream MergeBroadcast "
    "Multicost MergeSum SingleOutputTree Seq2Seq SkipThought",
    "layers.container": "Sequential Tree SingleOutputTree Broadcast MergeSum MergeBroadcast "
    "MergeMultistream GenerativeAdversarial Encoder Decoder Seq2Seq SkipThought Multicost "
    "DeltasTree LayerContainer",
    "layers.layer": "Layer ParameterLayer CompoundLayer Convolution_bias Linear Bias Affine",
    "layers.recurrent": "Recurrent LSTM GRU RecurrentOutput RecurrentSum RecurrentMean "
    "RecurrentLast BiRNN BiBNRNN BiLSTM BiSum DeepBiRNN DeepBiLSTM get_steps",
    "models": "Model",
    "models.model": "Model GAN",
    "optimizers": "GradientDescentMomentum RMSProp Adagrad Adadelta Adam ShiftAdaMax Schedule "
    "StepSchedule PowerSchedule ExpSchedule PolySchedule ShiftSchedule MultiOptimizer",
    "optimizers.optimizer": "Optimizer get_param_list GradientDescentMomentum MultiOptimizer",
    "transforms": "Identity Explin Rectlin Rectlinclip Sign Softmax Tanh Logistic Normalizer "
    "PixelwiseSoftmax CrossEntropyBinary CrossEntropyMulti SumSquared MeanSquared LogLoss "
    "Misclassification TopKMisclassification Accuracy PrecisionRecall SmoothL1Loss "
    "SquareHingeLoss ObjectDetection BLEUScore GANCost",
    "transforms.activation": "Identity Rectlin Softmax Tanh Logistic",
    "transforms.cost": "Cost Metric MultiMetric CrossEntropyMulti GANCost",
    "transforms.transform": "Transform",
    "util.argparser": "NeonArgparser extract_valid_args",
    "util.beamsearch": "BeamSearch",
    "util.compat": "PY3 xrange pickle pickle_load",
    "util.display_information": "display_model_params display_cpu_information "
    "display_platform_information",
    "util.load_experiment": "deserialize",
    "util.modeldesc": "ModelDescription",
    "util.persist": "get_cache_dir get_data_cache_dir get_data_cache_or_nothing "
    "ensure_dirs_exist save_obj load_obj load_class serialize",
    "util.shelver": "atomic_shelve",
    "util.update_dataset_cache": "",
    "util.yaml_parse": "create_objects format_yaml_dict",
    "visualizations.data": "h5_cost_data h5_hist_data h5_deconv_data create_minibatch_x "
    "create_epoch_x convert_rgb_to_bokehrgba",
    "visualizations.figure": "cost_fig hist_fig image_fig deconv_figs deconv_summary_page",
}


def rows():
    """The rows of the table of names in the documentation."""
    return [
        f"| `neon.{module}".rstrip(".") + "` | " + ", ".join(f"`{n}`" for n in names.split()) + " |"
        for module, names in NAMES.items()
    ]


def test_the_page_from_neon_has_the_table():
    page = (Path(__file__).parents[2] / "docs/tutorials/from-neon.md").read_text(encoding="utf-8")
    _, _, table = page.partition("## Table of names")
    found = [line for line in table.splitlines() if line.startswith("| `neon")]
    assert found == rows()


@pytest.mark.parametrize("module", NAMES)
def test_names_of_a_module(module):
    path = f"neonport.{module}".rstrip(".")
    found = import_module(path)
    lacking = []
    for name in NAMES[module].split():
        try:
            getattr(found, name)
        except (AttributeError, ImportError):
            lacking.append(name)
    assert not lacking


def test_the_class_of_gpus_that_are_gone():
    from neonport.backends.nervanagpu import NervanaGPU

    be = gen_backend("cpu", batch_size=2)
    try:
        assert not isinstance(be, NervanaGPU)
        with pytest.raises(ConfigurationError, match="opencl"):
            NervanaGPU()
    finally:
        be.cleanup_backend()
