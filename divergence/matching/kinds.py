"""What an operator computes, in one vocabulary for ATen ops, ONNX ops and module classes.

A kind names the mathematics (`conv`, `matmul`, `gelu`); `TRANSPARENT` ops change layout or
type but not content; `ENDS` says with which primitive the usual lowerings of a composite end,
so that `gelu` may stand opposite the last `Mul` of an Erf chain.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Layout, type and identity: the content of the value stays.
TRANSPARENT: Final = _words(
    """
    view reshape unsafe_view view_copy reshape_alias permute transpose t swapaxes numpy_t
    contiguous clone detach alias lift_fresh lift_fresh_copy squeeze unsqueeze flatten unflatten
    to to_copy type_as copy dropout feature_dropout alpha_dropout identity as_strided movedim
    pixel_shuffle pixel_unshuffle channel_shuffle view_as expand_as resolve_conj resolve_neg
    conj real native_dropout float half double bfloat16 set_data is_nonzero requires_grad
    depthtospace spacetodepth cast castlike quantizelinear dequantizelinear
    reorderinput reorderoutput dynamicquantizelinear memcpyfromhost memcpytohost optional
    optionalgetelement
    convert_element_type broadcast_in_dim collapse prims_transpose
    sequenceat sequenceconstruct fakequant
    """
)

# Same content only where the shape (or for these, the count of elements) does not change.
TRANSPARENT_IF_SAME_SIZE: Final = _words(
    """
    expand tile repeat pad constant_pad_nd slice narrow select split split_with_sizes unbind
    chunk concat cat stack gather index_select mean reducemean sum reducesum amax reducemax amin
    reducemin globalaveragepool adaptive_avg_pool2d
    """
)

# The other operand with which an operator returns its first.
NEUTRAL: Final = {"mul": 1, "div": 1, "add": 0, "sub": 0}

RANDOM: Final = _words(
    """
    bernoulli rand randn randint rand_like randn_like randperm normal uniform multinomial
    randomnormal randomuniform randomnormallike randomuniformlike native_dropout dropout
    """
)

# Results are integers that stand for a value by a scale.
QUANTISING: Final = _words(
    """
    quantizelinear dynamicquantizelinear convinteger matmulinteger qlinearconv qlinearmatmul
    qgemm qlinearadd qlinearmul qlinearconcat qlinearsigmoid qlinearleakyrelu qlinearaveragepool
    qlinearglobalaveragepool qlinearreducemean qlinearsoftmax qlinearwhere
    """
)

# Never below zero; and never below zero where no operand is.
NONNEGATIVE: Final = _words(
    "relu clip sigmoid softmax hard_sigmoid abs sqrt exp norm soft_plus compare logic"
)
KEEP_SIGN: Final = _words(
    "max_pool avg_pool mean sum concat slice gather pad resize expand roll flip add mul max min"
)

RECURRENT: Final = (
    "rnn"  # several layers, each a loop over steps; its results are output and states
)

SHAPE_OPS: Final = frozenset({"shape", "size", "sym_size", "shape_of"})

_SPELLINGS: Final = {
    "input": "input",
    "conv": "convolution conv conv1d conv2d conv3d mkldnn_convolution thnn_conv2d slow_conv2d "
    "conv_depthwise2d conv_depthwise3d qlinearconv convinteger fusedconv nhwcconv nhwcfusedconv "
    "slow_conv_dilated2d xnnpack_conv convolution_overrideable conv_with_clamp qlinearconv "
    "cudnn_convolution prepacked_conv",
    "conv_transpose": "convtranspose conv_transpose1d conv_transpose2d conv_transpose3d "
    "convtransposewithdynamicpads",
    "matmul": "addmm mm bmm baddbmm matmul linear addmv mv dot addbmm gemm fusedgemm fusedmatmul "
    "matmulinteger qlinearmatmul qgemm matmulnbits einsum inner bilinear dynamicquantizematmul "
    "matmulintegertofloat matmulfpq4 matmulbnb4 transposematmul mkl_linear vdot outer",
    "attention": "scaled_dot_product_flash_attention_for_cpu scaled_dot_product_flash_attention "
    "scaled_dot_product_attention scaled_dot_product_efficient_attention attention "
    "scaled_dot_product_attention_math multiheadattention groupqueryattention "
    "scaled_dot_product_fused_attention_overrideable packedmultiheadattention qattention "
    "native_multi_head_attention packedattention scaled_dot_product_cudnn_attention "
    "transformer_encoder_layer_fwd",
    "layer_norm": "native_layer_norm layer_norm layernormalization layernorm layernorm2d "
    "embedlayernormalization skiplayernormalization",
    "rms_norm": "rms_norm rmsnorm fused_rms_norm rmsnormalization simplifiedlayernormalization "
    "skipsimplifiedlayernormalization",
    "batch_norm": "native_batch_norm batch_norm cudnn_batch_norm native_batch_norm_legit "
    "native_batch_norm_legit_no_training batchnormalization batchnorm1d batchnorm2d batchnorm3d "
    "instancenormalization instance_norm instancenorm2d batch_norm_with_update",
    "group_norm": "native_group_norm group_norm groupnormalization groupnorm skipgroupnorm",
    "softmax": "softmax biassoftmax safe_softmax",
    "log_softmax": "log_softmax logsoftmax",
    "relu": "relu threshold",
    "clip": "clip clamp clamp_min clamp_max hardtanh relu6",
    "gelu": "gelu biasgelu fastgelu",
    "silu": "silu swish quickgelu swiglu",
    "hard_swish": "hardswish",
    "hard_sigmoid": "hardsigmoid",
    "leaky_relu": "leaky_relu leakyrelu qlinearleakyrelu",
    "prelu": "prelu prelu_kernel",
    "elu": "elu celu selu",
    "sigmoid": "sigmoid qlinearsigmoid",
    "tanh": "tanh",
    "soft_plus": "softplus",
    "mish": "mish",
    "glu": "glu",
    "add": "add qlinearadd biasadd addcmul sum_variadic biassplitgelu biasadd add_relu",
    "sub": "sub rsub",
    "mul": "mul qlinearmul",
    "div": "div true_divide divide floor_divide",
    "neg": "neg",
    "pow": "pow square float_power",
    "sqrt": "sqrt",
    "rsqrt": "rsqrt",
    "reciprocal": "reciprocal",
    "max": "max maximum amax reducemax fmax",
    "min": "min minimum amin reducemin fmin",
    "mean": "mean reducemean globalaveragepool adaptive_avg_pool2d adaptive_avg_pool1d "
    "adaptive_avg_pool3d qlinearglobalaveragepool adaptiveavgpool2d qlinearreducemean",
    "sum": "sum reducesum",
    "avg_pool": "avg_pool1d avg_pool2d avg_pool3d averagepool qlinearaveragepool avgpool2d",
    "max_pool": "max_pool2d_with_indices max_pool1d_with_indices max_pool3d_with_indices "
    "max_pool2d max_pool1d max_pool3d maxpool nhwcmaxpool maxpool2d adaptive_max_pool2d "
    "adaptive_max_pool1d globalmaxpool mkldnn_max_pool2d",
    "norm": "linalg_vector_norm norm reducel2 reducel1 lpnormalization",
    "var": "var var_mean std std_mean var_correction",
    "concat": "cat concat stack qlinearconcat concatfromsequence hstack vstack",
    "slice": "slice split split_with_sizes unbind chunk select narrow splittosequence tensor_split "
    "unsafe_split unsafe_split_with_sizes unsafe_chunk split_copy slice_copy select_copy "
    "unbind_copy",
    "gather": "gather index index_select embedding gathernd gatherelements take take_along_dim "
    "embedding_bag gatherblockquantized",
    "scatter": "scatter scatterelements scatternd index_put scatter_add slice_scatter "
    "select_scatter scatter_reduce index_add",
    "resize": "resize upsample upsample_nearest1d upsample_nearest2d upsample_nearest3d "
    "upsample_bilinear2d upsample_bicubic2d upsample_linear1d upsample_nearest_exact2d "
    "upsample_trilinear3d upsample_bilinear2d_aa upsample_bicubic2d_aa upsample_nearest_exact1d",
    "pad": "pad constant_pad_nd reflection_pad1d reflection_pad2d reflection_pad3d "
    "replication_pad1d replication_pad2d replication_pad3d",
    "roi_align": "roi_align roialign",
    "nms": "nms nonmaxsuppression",
    "deform_conv": "deform_conv2d deformconv",
    "roll": "roll",
    "flip": "flip",
    "expand": "expand repeat tile repeat_interleave expand_copy",
    "where": "where masked_fill",
    "rnn": "lstm gru rnn lstm_layer mkldnn_rnn_layer dynamicquantizelstm rnn_tanh quantized_lstm "
    "lstmcell grucell rnncell",
    "topk": "topk",
    "sort": "sort argsort",
    "argmax": "argmax argmin",
    "cumsum": "cumsum",
    "prod": "prod reduceprod",
    "compare": "eq ne lt le gt ge equal less lessorequal greater greaterorequal",
    "logic": "logical_and logical_or logical_not bitwise_and bitwise_or bitwise_not and or not "
    "logical_xor xor bitwise_xor isnan isinf",
    "remainder": "remainder fmod mod",
    "round": "round floor ceil trunc",
    "grid_sample": "grid_sampler_2d grid_sampler gridsample grid_sampler_3d",
    "triangle": "triu tril trilu",
    "range": "arange range",
    "fill": "zeros ones full zeros_like ones_like full_like new_zeros new_ones new_full empty "
    "new_empty empty_like fill constantofshape scalar_tensor",
}
_KIND: Final = {word: kind for kind, words in _SPELLINGS.items() for word in words.split()}

# The last primitive of the lowerings that exporters, simplifiers and people write.
ENDS: Final[dict[str, frozenset[str]]] = {
    kind: _words(words)
    for kind, words in {
        "layer_norm": "add mul div sub batch_norm rms_norm",
        "rms_norm": "mul div",
        "batch_norm": "add mul sub conv matmul layer_norm",
        "group_norm": "add mul batch_norm layer_norm",
        "softmax": "div where mul",
        "log_softmax": "log sub",
        "gelu": "mul",
        "silu": "mul",
        "glu": "mul",
        "mish": "mul",
        "hard_swish": "mul div",
        "hard_sigmoid": "div mul clip",
        "soft_plus": "log where",
        "leaky_relu": "where max prelu mul",
        "prelu": "where add leaky_relu",
        "elu": "where mul",
        "relu": "clip max",
        "clip": "min max relu",
        "attention": "matmul",
        "matmul": "mul conv sum",
        "conv": "mul matmul",
        "conv_transpose": "resize",
        "rsqrt": "reciprocal div pow",
        "reciprocal": "div pow",
        "sub": "add",
        "div": "mul",
        "neg": "mul sub",
        "pow": "mul",
        "mean": "div mul sum avg_pool",
        "avg_pool": "conv mean",
        "max_pool": "max",
        "norm": "sqrt pow div",
        "var": "mean div sqrt",
        "slice": "gather",
        "gather": "slice concat",
        "roll": "concat gather",
        "flip": "slice gather",
        "pad": "concat",
        "expand": "concat mul resize",
        "resize": "expand gather conv_transpose matmul conv",
        "where": "add mul",
        "rnn": "mul concat slice add",
        "scatter": "where concat add",
        "sort": "topk",
        "argmax": "topk",
        "remainder": "sub",
    }.items()
}

_ACTIVATIONS: Final = _words(
    "relu clip gelu silu hard_swish hard_sigmoid leaky_relu prelu elu sigmoid tanh soft_plus mish"
)
COMMUTATIVE: Final = frozenset({"add", "mul", "max", "min", "logic"})


@lru_cache(maxsize=4096)
def normal(op: str) -> str:
    """Return an operator's name without domain, case, overload and in-place mark.

    >>> normal("com.microsoft.nchwc::Conv"), normal("add_.Tensor"), normal("_softmax")
    ('conv', 'add', 'softmax')
    """
    bare = op.rsplit("::", 1)[-1].rsplit(":", 1)[-1]
    return bare.split(".")[0].strip("_").lower()


def kind_of(op: str) -> str:
    """Return the kind of an operator; one outside the table is a kind of its own.

    >>> kind_of("Gemm"), kind_of("addmm"), kind_of("Erf")
    ('matmul', 'matmul', 'erf')
    """
    name = normal(op)
    return _KIND.get(name, name)


SAME, LOWERED, REPLACED, UNRELATED = 1.0, 0.7, 0.4, 0.0


def agreement(first: str, second: str) -> float:
    """Return how well two kinds fit: SAME, LOWERED, REPLACED or UNRELATED.

    LOWERED: one may end as the other; REPLACED: one activation in the place of another.

    >>> agreement("gelu", "gelu"), agreement("gelu", "mul"), agreement("conv", "softmax")
    (1.0, 0.7, 0.0)
    """
    if first == second:
        return SAME
    if second in ENDS.get(first, ()) or first in ENDS.get(second, ()):
        return LOWERED
    if first in _ACTIVATIONS and second in _ACTIVATIONS:
        return REPLACED
    return UNRELATED
