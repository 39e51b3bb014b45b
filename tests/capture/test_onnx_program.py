"""Sites of an ONNX file, read from the graph alone."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper, save_model

from divergence.capture.onnx_file import read_onnx
from divergence.capture.onnx_program import onnx_program
from divergence.capture.onnx_runner import OnnxRunner
from divergence.errors import LoadError
from divergence.records import Call
from tests.capture.onnx_graphs import BRANCHES, FUNCTION, LOOP, SCAN, graph


def sites(model, shapes=None):
    return {site.name: site for site in onnx_program(model, shapes).sites}


def test_a_site_says_what_its_node_is_and_reads():
    model = graph("""g (float[1,2,4,4] x) => (float[1,3,2,2] y)
      <float[3,2,1,1] w = {1,2,3,4,5,6}, float[3] b = {1,2,3}>
      { [conv] c = Conv<strides = [2,2], auto_pad = "VALID">(x, w, b) [act] y = Relu(c) }""")
    program = onnx_program(model)
    x, conv, relu = program.sites
    assert (x.kind, x.name, x.shape, x.dtype) == ("input", "x", (1, 2, 4, 4), "float32")
    assert (conv.kind, conv.op, conv.node, conv.name) == ("node", "Conv", "conv", "c")
    assert (conv.inputs, conv.weights) == (("x",), ("w", "b"))
    assert (conv.shape, conv.dtype, conv.order) == ((1, 3, 2, 2), "float32", 1)
    assert conv.attributes == {"strides": (2, 2), "auto_pad": "VALID"}
    assert (relu.inputs, relu.weights, relu.scope) == (("c",), (), "")
    assert program.outputs == program.output_names == ("y",)
    assert program.weights["b"].load().tolist() == [1, 2, 3]


def test_what_depends_on_no_input_is_constant_and_read_folded():
    model = graph("""g (float[2,3] x) => (float[2,2] y)
      <float[2,3] w = {1,2,3,4,5,6}, uint8[2,2] q = {0,1,2,3}, float s = {0.5}, uint8 z = {1}>
      { t = Transpose<perm = [1,0]>(w)  u = Identity(t)  m = MatMul(x, u)
        d = DequantizeLinear(q, s, z)  y = Add(m, d) }""")
    found = sites(model)
    assert [name for name, site in found.items() if site.constant] == ["t", "u", "d"]
    assert (found["m"].inputs, found["m"].weights) == (("x",), ("u",))
    assert (found["y"].inputs, found["y"].weights) == (("m",), ("d",))
    weights = onnx_program(model).weights
    assert np.array_equal(weights["u"].load(), [[1, 4], [2, 5], [3, 6]])
    assert (weights["d"].shape, weights["d"].dtype) == ((2, 2), "float32")
    assert np.array_equal(weights["d"].load(), [[-0.5, 0], [0.5, 1]])


def test_random_values_are_no_constants():
    found = sites(
        graph("""g (float[2] x) => (float[2] y)
      { r = RandomNormal<shape = [2]>()  y = Add(x, r) }""")
    )
    assert not found["r"].constant
    assert found["y"].inputs == ("x", "r")


def test_a_copy_is_an_alias():
    found = sites(
        graph("g (float[2] x) => (float[2] y) { a = Abs(x)  b = Identity(a)  y = Neg(b) }")
    )
    assert found["b"].alias_of == "a"
    assert found["a"].alias_of is None
    found = sites(
        graph("""g (float[2] x) => (float[2] y)
      { t = Constant<value = bool {1}>()  r = Constant<value = float {0.5}>()
        a = Abs(x)  b, m = Dropout(a)  c = Dropout(b, r, t)  y = Neg(c) }""")
    )
    assert {n: s.alias_of for n, s in found.items() if s.alias_of} == {"b": "a"}


def test_other_domains_are_part_of_the_op_and_later_outputs_are_numbered():
    found = sites(
        graph(
            """g (float[4] x) => (float[2] y, float[4] z)
            { y, y2 = Split<num_outputs = 2>(x)  z = com.microsoft.QuickGelu(x) }""",
            domains=', "com.microsoft" : 1',
        )
    )
    assert found["z"].op == "com.microsoft::QuickGelu"
    assert "divergence.output" not in found["y"].attributes
    assert found["y2"].attributes["divergence.output"] == 1


def test_nodes_without_a_name_of_their_own_are_called_after_their_output():
    model = graph("""g (float[2] x) => (float[2] y)
      { [same] a = Abs(x)  [same] b = Neg(a)  c = Exp(b)  [c] y = Relu(c) }""")
    given = model.SerializeToString()
    nodes = [site.node for site in onnx_program(model).sites[1:]]
    assert nodes == ["same", "b", "Exp(c)", "c"]
    assert model.SerializeToString() == given


def test_values_in_bodies_are_named_by_node_and_branch():
    found = sites(graph(BRANCHES))
    assert found["y0/then_branch/a0"].inputs == ("t", "x")
    assert found["y0/then_branch/a"].node == "y0/then_branch/a"
    assert found["y0"].inputs == ("c", "t", "x", "y0/then_branch/a", "y0/else_branch/b")
    assert found["y"].order > found["y0/else_branch/b"].order


@pytest.mark.parametrize(
    ("text", "values"), [(LOOP, ("y/body/t", "y/body/u")), (SCAN, ("y/body/t",))]
)
def test_what_a_loop_changes_is_no_constant_even_from_a_constant_start(text, values):
    found = sites(graph(text))
    for name in values:
        assert not found[name].constant
        assert all(source in found for source in found[name].inputs)


def test_functions_are_inlined_and_outer_names_kept():
    found = sites(graph(FUNCTION, domains=', "my" : 1'))
    assert [s.op for s in found.values()] == ["", "Abs", "Relu", "Abs", "Relu", "Neg"]
    assert {"t", "u", "y"} <= found.keys()


def test_input_sizes_that_the_file_leaves_open_may_be_given():
    model = graph("g (float[n,3] x) => (float[3,n] y) { y = Transpose(x) }")
    assert sites(model)["y"].shape is None
    assert sites(model, {"x": (5, 3)})["y"].shape == (3, 5)


def test_exporter_metadata_gives_scopes_and_is_kept():
    model = graph("g (float[2] x) => (float[2] y) { [n] y = Relu(x) }")
    for key, value in {
        "pkg.torch.onnx.name_scopes": "['', 'layers', 'layers.1', 'relu_3']",
        "pkg.torch.onnx.class_hierarchy": "['M', 'Sequential', 'ReLU', 'aten.relu.default']",
        "pkg.torch.onnx.fx_node": "%relu_3 : call_function[target=aten.relu]",
        "other": "not kept",
    }.items():
        entry = model.graph.node[0].metadata_props.add()
        entry.key, entry.value = key, value
    site = sites(model)["y"]
    assert site.scope == "layers.1"
    assert site.attributes["pkg.torch.onnx.class_hierarchy"][2] == "ReLU"
    assert site.attributes["pkg.torch.onnx.fx_node"].startswith("%relu_3")
    assert "other" not in site.attributes


def _external(tmp_path, elements=4096):
    weight = numpy_helper.from_array(np.arange(elements, dtype=np.float32), "w")
    model = helper.make_model(
        helper.make_graph(
            [helper.make_node("Add", ["x", "w"], ["y"])],
            "g",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [elements])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [elements])],
            [weight],
        ),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=8,
    )
    save_model(model, tmp_path / "m.onnx", save_as_external_data=True, location="m.data")
    return tmp_path / "m.onnx"


def test_weights_in_data_files_are_read_when_they_are_asked_for(tmp_path):
    program = onnx_program(read_onnx(_external(tmp_path)))
    array = np.array(program.weights["w"].load())
    array[7] = 1000
    array.tofile(tmp_path / "m.data")
    assert program.weights["w"].load()[7] == 1000


def test_a_file_over_2_gb_is_read_at_once(tmp_path):
    path = _external(tmp_path)
    rows = 3 << 28  # 3 GiB of float32, as a hole in the file
    model = read_onnx(path).model
    tensor = model.graph.initializer[0]
    tensor.dims[:] = [rows]
    for key, value in {"location": "m.data", "offset": "0", "length": str(4 * rows)}.items():
        tensor.external_data.add(key=key, value=value)
    del tensor.external_data[0]
    path.write_bytes(model.SerializeToString())
    with (tmp_path / "m.data").open("ab") as data:
        data.truncate(4 * rows)
    weight = onnx_program(read_onnx(path)).weights["w"]
    assert weight.shape == (rows,)
    assert (weight.load()[4095], weight.load()[-1]) == (4095, 0)


def test_a_missing_file_says_so(tmp_path):
    with pytest.raises(LoadError, match=r"no file .*none.onnx"):
        read_onnx(tmp_path / "none.onnx")


def test_another_kind_of_file_says_so(tmp_path):
    (tmp_path / "text.onnx").write_text("This is a text, not a model.\n" * 10)
    with pytest.raises(LoadError, match=r"text.onnx cannot be read as an ONNX file"):
        read_onnx(tmp_path / "text.onnx")


def test_an_empty_file_says_so(tmp_path):
    (tmp_path / "empty.onnx").write_bytes(b"")
    with pytest.raises(LoadError, match=r"empty.onnx holds no graph"):
        read_onnx(tmp_path / "empty.onnx")


def test_a_missing_data_file_says_so(tmp_path):
    path = _external(tmp_path)
    (tmp_path / "m.data").unlink()
    with pytest.raises(LoadError, match=r"'w' is stored in 'm.data', which is not beside"):
        read_onnx(path)


def test_a_truncated_data_file_says_so(tmp_path):
    path = _external(tmp_path)
    (tmp_path / "m.data").write_bytes(b"1234")
    weight = onnx_program(read_onnx(path)).weights["w"]
    with pytest.raises(LoadError, match=r"ends at byte 4, but .* reaches to byte 16384"):
        weight.load()


def test_a_data_file_outside_the_folder_is_not_read(tmp_path):
    path = _external(tmp_path)
    text = path.read_bytes().replace(b"m.data", b"../abc")
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "m.onnx").write_bytes(text)
    with pytest.raises(LoadError, match="outside the model's folder"):
        read_onnx(tmp_path / "inner" / "m.onnx")


@pytest.mark.parametrize("opset", [13, 17, 21])
def test_dequantised_weights_are_known_in_every_opset(opset):
    model = graph(
        """g (float[2,2] x) => (float[2,2] y)
        <int8[2,2] q = {1, 2, 3, 4}, float s = {0.5}, int8 z = {1}>
        { w = DequantizeLinear(q, s, z)  y = MatMul(x, w) }""",
        opset,
    )
    assert onnx_program(model).weights["w"].load().tolist() == [[0.0, 0.5], [1.0, 1.5]]


def test_a_file_in_any_order_is_read_in_the_one_that_it_runs_in():
    model = graph("""g (float[2] x) => (float[2] y)
      { a = Relu(x)  b = Neg(a)  y = Add(a, b) }""")
    relu, neg, add = model.graph.node
    shuffled = [add, neg, relu]
    del model.graph.node[:]
    model.graph.node.extend(shuffled)
    program = onnx_program(model)
    assert [site.name for site in program.sites] == ["x", "a", "b", "y"]
    assert [node.op_type for node in model.graph.node] == ["Add", "Neg", "Relu"]


def test_links_to_a_model_and_its_data_are_followed_as_a_cache_of_downloads_lays_them(tmp_path):
    """Hugging Face's hub keeps both in a folder of blobs, under other names."""
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshot"
    blobs.mkdir()
    snapshot.mkdir()
    weight = np.arange(1200, dtype=np.float32).reshape(30, 40)
    model = helper.make_model(
        helper.make_graph(
            [helper.make_node("MatMul", ["x", "w"], ["y"])],
            "g",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 30])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 40])],
            [numpy_helper.from_array(weight, "w")],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=10,
    )
    save_model(model, blobs / "m", save_as_external_data=True, location="d", size_threshold=0)
    (blobs / "m").rename(blobs / "1f")
    (snapshot / "model.onnx").symlink_to("../blobs/1f")
    (snapshot / "d").symlink_to("../blobs/d")
    runner = OnnxRunner(snapshot / "model.onnx")
    x = np.ones((2, 30), np.float32)
    call = Call((), {"x": x})
    assert "y" in {site.name for site in runner.program(call).sites}
    np.testing.assert_allclose(runner.run(call)[0], x @ weight)
