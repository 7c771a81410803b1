"""Faults of neon's that are mended here, and habits that are kept: the tests that show it.

The page "From neon" of the documentation lists them for users. Numbers are those of the register of
neon's peculiarities that this library was written by.
"""

from __future__ import annotations

import pytest

from tests.compat.test_expectations import check_tests_exist

FAULTS = {
    "1: automatic names": "layers/recurrent/test_recurrent.py test_names_count_as_in_neon",
    "2: an array as init is described and trained": """
        layers/test_parameter.py test_an_array_as_init_is_copied
        layers/test_layer_container.py test_an_array_as_init_can_be_trained
        models/test_checkpoints.py test_array_initializers_and_caffe_mode""",
    "3: building leaves the description as it was": """
        models/test_checkpoints.py test_a_model_is_built_from_its_checkpoint_alone""",
    "4: NumPy integers as shapes": "layers/test_shapes.py test_normalised_shapes_hold_python_ints",
    "5: error buffers of nested chains": """
        layers/test_deltas.py test_a_nested_wide_sequential_is_measured""",
    "6: views of errors": "layers/test_bias.py test_another_input_or_error_tensor_is_noticed",
    "7: an int leaves the depth of volumes alone": """
        layers/windows/test_convolution.py test_outputs_and_gradients_against_the_definition""",
    "8: an array as bias of a convolution": """
        layers/windows/test_convolution.py test_an_array_as_initial_bias""",
    "9: the text of a pooling": "layers/windows/test_pooling.py test_text_and_description",
    "10: nodes without a name, and names of several models": """
        layers/test_branch.py test_nodes_without_a_name_stay_different
        test_a_second_model_with_the_same_names_is_a_second_model""",
    "11: the factor beta of a dropout": """
        layers/test_dropout.py test_training_inference_and_bprop""",
    "12: LRN as first layer": "layers/windows/test_lrn.py test_alpha_beta_and_a_first_layer",
    "13: the name of a Deconv": "layers/test_compound.py test_names",
    "14, 38: states that are missing": """
        layers/test_parameter.py test_missing_or_empty_states_let_the_optimizer_start_fresh
        layers/windows/test_convolution.py
        test_an_entry_without_states_starts_the_optimizer_fresh""",
    "15: inference of a batch norm by shifts": """
        layers/test_binary.py test_inference_is_that_of_batchnorm""",
    "16: batch norm by autodiff": """
        layers/test_batchnorm_autodiff.py test_the_numbers_are_those_of_batchnorm""",
    "17, 18: several costs": """
        layers/containers/test_multicost.py test_sum_of_costs_and_errors
        test_one_output_at_inference_is_the_trunks""",
    "19, 20: states behind an image, and their gradients": """
        layers/recurrent/test_recurrent.py test_the_state_behind_an_image_is_dropped_unless_strict
        test_gradients_count_a_carried_state_if_strict
        test_gradients_leave_a_carried_state_out_as_neon_does""",
    "21, 22: a given initial state": """
        layers/recurrent/test_recurrent.py test_gradients_from_a_given_state_and_at_it
        test_a_given_state_replaces_the_hidden_one_for_one_call""",
    "23, 25, 26, 65: bidirectional layers": """
        layers/recurrent/test_bidirectional.py test_a_first_layer_and_an_image test_gradients
        test_a_strict_layer_goes_on_in_both_directions""",
    "24: BiBNRNN": """
        layers/recurrent/test_bidirectional.py test_batch_norm_over_samples_and_steps
        layers/recurrent/test_checkpoints.py test_files_of_neon_without_scale_and_shift""",
    "27: stacks of bidirectional layers": "layers/recurrent/test_bidirectional.py test_stacks",
    "28: pairs of convolution and bias": """
        layers/windows/test_convolution.py test_a_pair_of_an_older_file_is_one_layer
        layers/windows/test_networks.py test_a_saved_model_is_built_from_its_file""",
    "29: the paths of a tree in inference": """
        layers/containers/test_tree.py test_a_single_output_at_inference""",
    "30, 63: slices by the kind of merge; what is no layer": """
        layers/containers/test_merges.py test_mistakes
        test_a_broadcast_has_the_bits_of_the_same_layers_by_hand""",
    "31: a GAN from its file": """
        models/test_gan.py test_the_container_is_a_chain_that_can_be_rebuilt""",
    "32, 33: encoders of several layers; the cells of a decoder": """
        layers/containers/test_encoder_decoder.py
        test_gradients_of_two_layers_are_those_of_differences""",
    "34, 35: decoders in inference; where they start": """
        layers/containers/test_encoder_decoder.py
        test_inference_leaves_the_buffers_of_training_alone
        test_inference_goes_on_from_its_own_outputs test_description_has_neons_entries""",
    "36: counting samples of sequences": """
        models/test_evaluation.py test_partial_batch_of_sequences""",
    "39: epoch_index of a file": """
        models/test_checkpoints.py test_epoch_count_inside_and_after_fit""",
    "40: arrays of a file have one layout": """
        models/test_round_trips.py test_saved_on_one_backend_and_resumed_on_the_cpu""",
    "41, 56: descriptions compared, experiments loaded": """
        util/test_experiments.py test_descriptions""",
    "42, 43, 44: callbacks described; marks and lengths of a log": """
        callbacks/test_layout.py test_callbacks_come_back_from_their_descriptions
        test_layout_of_the_file
        callbacks/test_recording.py test_markers_are_exact_integers""",
    "45: files of a history": """
        callbacks/test_saving.py test_history_keeps_that_many_and_links_the_newest""",
    "46, 47: epochs listed; several costs in a log": """
        callbacks/test_recording.py test_frequencies test_several_costs test_log_lines""",
    "48: what filters see": """
        callbacks/inspection/test_deconvolution.py test_pictures_of_the_strongest_activations""",
    "49: results print": "models/test_evaluation.py test_result_prints_like_a_number",
    "50: where a pass begins": """
        data/test_array_iterator.py test_wrap_around_as_in_neon
        test_a_pass_that_ends_evenly_begins_again_at_the_first_sample""",
    "51: parts of data sets": """
        data/datasets/test_dataset.py test_parts_of_data_that_have_none""",
    "52: pictures and labels shuffled alike": """
        data/datasets/test_images.py test_other_sizes_and_orders""",
    "53: words of stories": "data/datasets/test_stories.py test_stories_as_arrays",
    "54: repeats": "data/test_ticker.py test_repeat_copy",
    "55: the vocabulary of captions": "data/test_imagecaption.py test_minibatches",
    "57: a beam wider than the vocabulary": """
        util/test_beamsearch.py test_more_beams_than_words_and_words_that_cannot_be""",
    "58, 59: options of experiments": "util/test_experiments.py test_the_command",
    "61: pictures of a log": """
        visualizations/test_data.py test_costs test_histograms test_pictures
        visualizations/test_figure.py test_summary_of_a_network""",
    "62: Benchmark without times of layers": "models/test_benchmark.py test_without_layers",
    "64: accumulating after weights were loaded": """
        layers/test_parameter.py
        test_accumulation_buffers_exist_for_weights_that_were_loaded""",
}
GONE = {37, 60}  # code without a use; settings of an aeon that nobody has


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_has_tests(fault: str) -> None:
    check_tests_exist(FAULTS[fault])


def test_the_register_is_complete() -> None:
    numbers = [int(n) for fault in FAULTS for n in fault.partition(":")[0].split(",")]
    assert sorted([*numbers, *GONE]) == list(range(1, 66))
