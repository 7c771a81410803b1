"""What neon's own tests required, and the tests of ours that require it.

Statements and tolerances are those of neon's documentation and test suite, in our words.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]

# statement -> tests, as path below tests/ and names
EXPECTATIONS = {
    "Linear: outputs, deltas and dW are NumPy's; ones are exact": """
        layers/test_linear.py test_outputs_deltas_and_dw_against_numpy test_ones_are_exact""",
    "convolution: ones are exact; random numbers against loops, rtol 1e-4": """
        layers/windows/test_convolution.py test_ones_are_exact_and_batch_one_is_fine
        layers/windows/test_convolution.py test_outputs_and_gradients_against_the_definition""",
    "maximum of windows: ones are exact; random numbers against loops": """
        layers/windows/test_pooling.py test_ones_are_exact
        layers/windows/test_pooling.py test_outputs_and_gradients_against_the_definition""",
    "deconvolution: the adjoint of a convolution; ones are exact": """
        layers/windows/test_deconvolution.py test_it_is_the_transpose_of_a_convolution
        layers/windows/test_deconvolution.py test_ones_are_exact""",
    "a dilated convolution is one with zeros in its filters": """
        layers/windows/test_convolution.py
        test_dilated_filters_are_wider_ones_with_zeros_between""",
    "bias, batch norm, convolution, pooling, networks: central differences in float64, 1e-7": """
        layers/test_bias.py test_gradients
        layers/test_batchnorm.py test_gradients
        layers/windows/test_networks.py test_gradients
        layers/test_stacks.py test_gradients""",
    "gradient of LRN: 1e-6, of one element 1e-12": """
        layers/windows/test_lrn.py test_gradients test_the_gradient_of_one_element""",
    "lookup table: the rows themselves; dW is the sum of each id, ones exact": """
        layers/test_lookup.py test_rows_of_the_table_and_sums_of_errors""",
    "recurrent layers against the formulas: 1.5e-5": """
        layers/recurrent/test_recurrent.py test_outputs_against_the_formulas
        layers/recurrent/test_recurrent.py test_gradients_of_sequences_that_start_at_zero
        layers/recurrent/test_bidirectional.py test_outputs_against_the_formulas test_gradients""",
    "sum, mean and last of steps; Reshape": """
        layers/recurrent/test_outputs.py test_steps_are_reduced_and_the_error_is_spread
        layers/recurrent/test_outputs.py test_zeros_and_ones_are_exact
        layers/test_reshape.py test_shapes_and_order_of_elements""",
    "MergeSum, MergeBroadcast: the bits of the same layers by hand": """
        layers/containers/test_merges.py test_a_sum_has_the_bits_of_the_same_layers_by_hand
        layers/containers/test_merges.py
        test_a_broadcast_has_the_bits_of_the_same_layers_by_hand""",
    "MergeMultistream: each path by itself": """
        layers/containers/test_merges.py test_streams_are_independent""",
    "Tree: the same layers by hand, 1e-9": """
        layers/containers/test_tree.py test_gradients_are_those_of_the_same_layers_by_hand""",
    "accumulated gradients are the sum of two passes; off again they are replaced": """
        layers/test_linear.py test_accumulating_dw
        layers/test_base.py test_accumulating_any_layer_with_acc_params
        layers/windows/test_convolution.py test_accumulating_gradients""",
    "accumulating: BufferError before allocate, TypeError of a layer without": """
        layers/test_base.py test_set_acc_on_needs_allocated_buffers""",
    "a saved model has its parameters, states and outputs; also with several inputs": """
        models/test_round_trips.py test_what_is_saved_and_built_from_its_file_is_the_same""",
    "get_outputs is fprop of every batch; of sequences (samples, steps, features)": """
        models/test_evaluation.py test_get_outputs_equals_fprop
        models/test_evaluation.py test_get_outputs_of_sequences_is_batch_major""",
    "every recurrent layer runs behind convolution, pooling and batch norm": """
        layers/recurrent/test_training.py test_every_type_runs_behind_a_convolution""",
    "HDF5Iterator goes on from pass to pass; means, one-hot, wide targets, reset": """
        data/test_hdf5iterator.py test_passes_continue test_means_and_targets
        data/test_hdf5iterator.py test_labels_and_autoencoders""",
    "Text goes on from batch to batch; the target is the next token": """
        data/test_text.py test_rows_continue_and_targets_are_the_next_tokens""",
    "beam search: candidates and scores of a search by hand, exact": """
        util/test_beamsearch.py test_candidates_and_scores_are_those_of_the_search_by_hand
        util/test_beamsearch.py test_scores_are_exact""",
    "GAN: the halves are one chain; the values of GANCost": """
        models/test_gan.py test_halves_are_wired_as_one_chain test_a_step_is_that_of_the_definition
        transforms/test_gan_cost.py test_values_are_means_over_rows""",
    "RoiPooling against NumPy: 1e-6": """
        layers/windows/test_roi_pooling.py test_against_the_definition""",
    "neighbours take turns with two buffers; layers on a node use its buffer; paths share one": """
        layers/test_deltas.py test_neighbours_never_share_and_the_first_has_none
        layers/test_deltas.py test_two_buffers_serve_a_whole_chain
        layers/containers/test_merges.py test_a_container_on_a_node_uses_the_nodes_gradient
        layers/containers/test_merges.py test_paths_share_one_gradient_and_use_no_buffer_of_it""",
    "Benchmark: errors and the head of its table": """
        models/test_benchmark.py test_mistakes_are_named test_table test_times_training""",
    # probes of single statements
    "the weights of an LSTM are blocks that are read row by row": """
        layers/recurrent/test_recurrent.py
        test_blocks_of_rows_are_read_row_by_row_and_not_transposed""",
    "parameters are drawn last layer first": """
        layers/test_sequential.py test_parameters_are_drawn_last_owner_first""",
    "batches of ten samples by four": """
        data/test_array_iterator.py test_wrap_around_as_in_neon""",
    "epoch_index of a file": "models/test_checkpoints.py test_epoch_count_inside_and_after_fit",
    "the first step of a batch norm": "layers/test_batchnorm.py test_training_step_against_numpy",
    "Dropout in inference, also in caffe's mode": """
        layers/test_dropout.py test_training_inference_and_bprop""",
    "factors of the gradients of a tree": "layers/containers/test_tree.py test_factors_of_paths",
    "a convolution with a bias is one entry; two of an older file load into it": """
        layers/windows/test_convolution.py test_what_is_stored
        layers/windows/test_convolution.py test_a_pair_of_an_older_file_is_one_layer""",
    "sizes of convolutions": "layers/windows/test_convolution.py test_sizes_of_neon",
    "text is written letter by letter from loaded weights, one sample at a time": """
        compat/examples/test_sequences.py test_text_is_written""",
    "gradients of encoders and decoders of two layers": """
        layers/containers/test_encoder_decoder.py
        test_gradients_of_two_layers_are_those_of_differences""",
    "the layout of the HDF5 file of a run": "callbacks/test_layout.py test_layout_of_the_file",
}


@pytest.mark.parametrize("statement", EXPECTATIONS)
def test_an_expectation_of_neons_has_tests(statement: str) -> None:
    check_tests_exist(EXPECTATIONS[statement])


def check_tests_exist(listed: str) -> None:
    """Files below tests/, and behind each the tests that are in it."""
    words = listed.split()
    assert words[0].endswith(".py")
    text, names = "", 0
    for word in words:
        if word.endswith(".py"):
            text = (TESTS / word).read_text(encoding="utf-8")
            continue
        assert re.search(rf"^ *def {word}\(", text, re.MULTILINE), word
        names += 1
    assert names
