"""Sites, dataflow and values of live modules."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from divergence.capture.torch_runner import TorchRunner
from divergence.errors import CaptureError, InputError
from divergence.records import Call, Program, Site


def values(runner, call, sites=None, exact="none"):
    seen = {}

    def probe(site, value, exact=None):
        seen.setdefault(site, []).append(value.copy())

    outputs = runner.run(call, probe, sites, exact)
    assert all(len(found) == 1 for found in seen.values())
    return {site: found[0] for site, found in seen.items()}, outputs


def survey(model, *args, **kwargs) -> tuple[TorchRunner, Call, Program, dict[str, Site]]:
    runner = TorchRunner(model)
    call = Call(args, kwargs)
    program = runner.program(call)
    sites = {site.name: site for site in program.sites}
    assert len(sites) == len(program.sites)
    return runner, call, program, sites


def array(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


class Parent(nn.Module):
    """A module with a child, so that its ops are sites and not its own work."""

    def __init__(self):
        super().__init__()
        self.child = nn.Identity()


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(8, 24)
        self.drop = nn.Dropout()

    def forward(self, x):
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        weights = (q @ k.transpose(-2, -1)).softmax(dim=-1)
        return self.drop(weights) @ v


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(8, eps=1e-6)
        self.attn = Attention()
        self.scale = nn.Parameter(torch.ones(8))

    def forward(self, x):
        return x + self.attn(self.norm(x)) * self.scale


class ChannelNorm(nn.LayerNorm):
    """A norm over channels that turns its input and turns its result back, without children."""

    def forward(self, x):
        return super().forward(x.permute(0, 2, 1)).permute(0, 2, 1)


class Turning(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = ChannelNorm(8)

    def forward(self, x):
        return self.norm(x).permute(0, 2, 1)


class TestNames:
    def test_a_view_that_undoes_a_modules_last_view_is_not_the_modules_value(self):
        _, _, _, sites = survey(Turning().eval(), array(1, 8, 5))
        assert sites["norm"].shape == (1, 8, 5)
        assert sites["<root>::permute#0"].alias_of is None
        assert sites["<root>::permute#0"].inputs == ("norm",)
        assert sites["<root>"].alias_of == "<root>::permute#0"

    def test_layers_that_view_one_value_alike_are_no_aliases_of_each_other(self):
        class Three(nn.Module):
            def __init__(self):
                super().__init__()
                self.query, self.key, self.value = (nn.Linear(4, 4) for _ in range(3))

            def forward(self, x):
                x = x.tanh()  # each layer flattens it to two axes, and the views are one
                return self.query(x) + self.key(x) * self.value(x)

        program = TorchRunner(Three()).program(Call(args=(np.ones((1, 3, 4), "float32"),)))
        found = {site.name: site for site in program.sites}
        assert [site.name for site in program.sites if site.alias_of] == ["<root>"]
        assert [found[n].inputs for n in ("query", "key", "value")] == [("<root>::tanh#0",)] * 3

    def test_modules_ops_and_the_root_are_named_as_the_interface_says(self):
        model = nn.Sequential(nn.Linear(4, 8), nn.ModuleDict({"inner": Block()})["inner"]).eval()
        _, _, program, sites = survey(model, array(2, 3, 4))
        assert {"0", "1.norm", "1.attn.qkv", "1.attn::softmax#0", "1::add#0", "1"} <= set(sites)
        assert program.outputs == ("<root>",)
        assert sites["<root>"].alias_of == "1::add#0"

    def test_later_calls_of_a_reused_module_have_a_number(self):
        class Reuse(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv = nn.Conv2d(2, 2, 1)
                self.act = nn.Sequential(nn.ReLU())

            def forward(self, x):
                return self.conv(self.act(self.conv(x))) + 1

        runner, call, _, sites = survey(Reuse(), array(1, 2, 3, 3))
        assert sites["conv#1"].scope == "conv"
        assert sites["conv#1"].inputs == ("act.0",)
        seen, _ = values(runner, call)
        assert not np.array_equal(seen["conv"], seen["conv#1"])

    def test_operators_count_from_zero_in_each_module_call(self):
        class Twice(Parent):
            def forward(self, x):
                y = x + 1
                return (y + 2) * (y + 3)

        class Outer(nn.Module):
            def __init__(self):
                super().__init__()
                self.twice = Twice()
                self.keep = nn.Identity()

            def forward(self, x):
                return self.twice(self.twice(x)) + 5

        _, _, _, sites = survey(Outer(), array(3))
        assert {"twice::add#2", "twice#1::add#2", "<root>::add#0"} <= set(sites)

    def test_tensors_after_the_first_have_an_index(self):
        class Both(nn.Module):
            def __init__(self):
                super().__init__()
                self.lstm = nn.LSTM(4, 5, batch_first=True)

            def forward(self, x):
                y, (h, c) = self.lstm(x)
                first, second = y.unbind(1)
                return {"first": first, "state": [h, second + c[0]]}

        _, _, program, sites = survey(Both(), array(1, 2, 4))
        assert {"lstm", "lstm[1]", "lstm[2]", "<root>::unbind#0[1]"} <= set(sites)
        assert program.outputs == ("<root>", "<root>[1]", "<root>[2]")
        assert program.output_names == ("first", "state.0", "state.1")
        assert sites["lstm"].shape == (1, 2, 5)
        assert sites["lstm[1]"].shape == (1, 1, 5)

    def test_dataclass_outputs_are_named_by_field(self):
        @dataclass
        class Detection:
            boxes: torch.Tensor
            scores: torch.Tensor
            count: int = 1

        class Head(nn.Module):
            def forward(self, x):
                return Detection(x * 2, x.sigmoid())

        runner, call, program, _ = survey(Head(), array(4))
        assert program.output_names == ("boxes", "scores")
        outputs = runner.run(call)
        np.testing.assert_array_equal(outputs[0], call.args[0] * 2)

    def test_operator_names_have_no_underscores_or_kernels(self):
        class Ops(Parent):
            def forward(self, x):
                y = x * 1
                y.add_(1).relu_()
                return functional.scaled_dot_product_attention(y, y, y).softmax(-1).reshape(-1)

        _, _, _, sites = survey(nn.Sequential(Ops(), nn.Identity()), array(1, 2, 3, 4))
        ops = {site.op for site in sites.values() if site.kind == "op"}
        assert {"add", "relu", "scaled_dot_product_attention"} <= ops

    def test_inputs_are_named_by_parameter_and_path(self):
        class Takes(Parent):
            def forward(self, image, *rest, text=None, flag=True):
                return image + rest[0] + text["ids"] + text["more"][1]

        text = {"ids": array(2), "more": [array(2), array(2)]}
        _, _, program, sites = survey(Takes(), array(2), array(2), text=text, flag=False)
        inputs = [site.name for site in program.sites if site.kind == "input"]
        assert inputs == ["image", "rest.0", "text.ids", "text.more.0", "text.more.1"]
        assert sites["<root>::add#2"].inputs == ("<root>::add#1", "text.more.1")

    def test_an_input_called_like_a_module_stays_apart(self):
        class Same(nn.Module):
            def __init__(self):
                super().__init__()
                self.x = nn.Linear(2, 2)

            def forward(self, x):
                return self.x(x)

        _, _, _, sites = survey(Same(), array(1, 2))
        assert sites["x"].kind == "module"
        assert sites["x"].inputs == ("<input>.x",)

    def test_modules_made_during_the_forward_count_to_their_maker(self):
        class Makes(nn.Module):
            def forward(self, x):
                return nn.Softmax(dim=-1)(x) + 1

        _, _, _, sites = survey(nn.Sequential(Makes()), array(2, 3))
        assert sites["0::softmax#0"].attributes["dim"] == -1


class TestDataflow:
    def test_weights_are_known_through_views_and_attributes_with_defaults(self):
        _, _, _, sites = survey(Block().eval(), array(1, 3, 8))
        assert sites["attn.qkv"].weights == ("attn.qkv.weight", "attn.qkv.bias")
        assert sites["attn.qkv"].inputs == ("norm",)
        assert sites["norm"].attributes["eps"] == 1e-6
        assert sites["<root>::mul#0"].weights == ("scale",)
        assert sites["<root>::add#0"].inputs == ("x", "<root>::mul#0")
        assert sites["<root>::add#0"].attributes["alpha"] == 1
        assert sites["attn::softmax#0"].attributes["dim"] == -1

    def test_a_childless_module_is_one_site_whatever_ops_it_is_made_of(self):
        _, _, program, sites = survey(nn.Sequential(nn.Linear(4, 3), nn.GELU()), array(2, 3, 4))
        assert [s.name for s in program.sites] == ["input", "0", "1", "<root>"]
        assert sites["0"].attributes["aten"] == "addmm"
        assert sites["1"].attributes["approximate"] == "none"

    def test_other_ops_inside_a_childless_module_are_sites(self):
        class Pool(nn.Module):
            def forward(self, x):
                return (x.softmax(-1) * x).sum(-1)

        _, _, _, sites = survey(nn.Sequential(Pool()), array(2, 3))
        assert {"0::softmax#0", "0::mul#0", "0"} <= set(sites)
        assert "0::sum#0" not in sites
        assert sites["0"].attributes["aten"] == "sum"

    def test_an_op_that_is_read_twice_stays_a_site(self):
        class Two(nn.Module):
            def forward(self, x):
                y = x.relu()
                return y.view(-1), y.sum()

        _, _, _, sites = survey(nn.Sequential(Two()), array(2, 3))
        assert sites["0"].inputs == ("input",)
        assert sites["0[1]"].attributes["aten"] == "sum"
        assert sites["0::relu#0"].inputs == ("input",)

    def test_a_module_that_returns_what_its_child_made_is_an_alias(self):
        model = nn.Sequential(nn.Sequential(nn.Linear(2, 2), nn.Dropout()), nn.Identity()).eval()
        runner, call, _, sites = survey(model, array(1, 2))
        assert {sites[name].alias_of for name in ("0.1", "0", "1", "<root>")} == {"0.0"}
        seen, _ = values(runner, call)
        assert set(seen) == {"input", "0.0"}
        asked, _ = values(runner, call, ["0", "<root>"])
        np.testing.assert_array_equal(asked["0"], seen["0.0"])

    def test_in_place_ops_become_the_makers_of_what_they_changed(self):
        class InPlace(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(4, 4)
                self.act = nn.ReLU(inplace=True)

            def forward(self, x):
                y = self.fc(x)
                left = y[:, :2]
                y += 1
                z = left * 2
                return self.act(y) + z.sum()

        _, _, _, sites = survey(InPlace(), array(3, 4))
        assert sites["<root>::add#0"].inputs == ("fc",)
        assert sites["<root>::mul#0"].inputs == ("<root>::add#0",)
        assert sites["act"].inputs == ("<root>::add#0",)
        assert sites["<root>::add#1"].inputs == ("act", "<root>::sum#0")

    def test_a_write_leaves_other_parts_of_the_memory_alone(self):
        class Halves(Parent):
            def forward(self, x):
                y = x * 1
                top, bottom = y[:2], y[2:]
                top.mul_(3)
                return bottom + 1, y + 0

        _, _, _, sites = survey(Halves(), array(4, 2))
        assert sites["<root>::add#0"].inputs == ("<root>::slice#1",)
        assert sites["<root>::slice#1"].inputs == ("<root>::mul#0",)
        assert sites["<root>::add#1"].inputs == ("<root>::mul#1",)

    def test_slice_assignment_is_seen_by_the_whole(self):
        class Assign(Parent):
            def forward(self, x, y):
                z = torch.zeros(4)
                z[:2] = x
                z[2:] = y
                return z * 2, z.sum(), z

        _, _, _, sites = survey(Assign(), array(2), array(2))
        assert "x" in sites["<root>::copy#0"].inputs
        assert "y" in sites["<root>::copy#1"].inputs
        assert sites["<root>::mul#0"].inputs == ("<root>::copy#1",)

    def test_a_view_that_is_the_first_value_again_is_an_alias(self):
        class Back(Parent):
            def forward(self, x):
                y = x.exp()
                return y.unsqueeze(0).squeeze(0) * 2, y + 1

        _, _, _, sites = survey(Back(), array(2, 3))
        assert sites["<root>::squeeze#0"].alias_of == "<root>::exp#0"
        assert sites["<root>::mul#0"].inputs == ("<root>::exp#0",)
        assert sites["<root>::add#0"].inputs == ("<root>::exp#0",)

    def test_a_new_view_of_what_was_written_in_place_is_none(self):
        class Flat(Parent):
            def forward(self, x):
                y = (x * 1).relu_()
                return y.flatten() * 2

        runner, call, _, sites = survey(Flat(), array(2, 3))
        assert sites["<root>::view#0"].alias_of is None
        assert sites["<root>::view#0"].inputs == ("<root>::relu#0",)
        assert sites["<root>::mul#1"].inputs == ("<root>::view#0",)
        assert values(runner, call)[0]["<root>::view#0"].shape == (6,)

    def test_what_does_not_depend_on_the_input_is_constant(self):
        class Constants(Parent):
            def __init__(self):
                super().__init__()
                self.table = nn.Parameter(torch.ones(3, 2))
                self.mask = torch.tensor([1.0, 0.0])

            def forward(self, x):
                positions = torch.arange(3)
                bias = self.table[positions].exp()
                noise = torch.rand(2)
                return x @ bias + self.mask + torch.tensor([1.0, 2.0]) + noise

        _, _, program, sites = survey(Constants(), array(1, 3))
        assert sites["<root>::exp#0"].constant
        assert sites["<root>::exp#0"].inputs == ("<root>::index#0",)
        assert sites["<root>::index#0"].weights == ("table",)
        assert not sites["<root>::rand#0"].constant
        assert not sites["<root>::mm#0"].constant
        assert sites["<root>::add#0"].weights == ("mask",)
        assert {"table", "mask"} <= set(program.weights)

    def test_tied_weights_stand_under_each_name(self):
        model = nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 5, bias=False))
        model[1].weight = model[0].weight
        _, _, program, sites = survey(model, np.array([1, 2]))
        assert {"0.weight", "1.weight"} <= set(program.weights)
        assert sites["1"].weights == ("0.weight",)
        np.testing.assert_array_equal(
            program.weights["1.weight"].load(), model[0].weight.detach().numpy()
        )

    def test_without_ops_modules_read_from_modules(self):
        class Skip(nn.Module):
            def __init__(self):
                super().__init__()
                self.a, self.b = nn.Linear(2, 2), nn.Linear(2, 2)

            def forward(self, x):
                return self.b(self.a(x) + x)

        runner = TorchRunner(Skip(), ops=False)
        sites = {site.name: site for site in runner.program(Call((array(1, 2),))).sites}
        assert set(sites) == {"x", "a", "b", "<root>"}
        assert sites["b"].inputs == ("a", "x")

    def test_unread_results_of_an_op_are_no_sites(self):
        class Norm(Parent):
            def forward(self, x):
                values, _ = x.topk(2)
                return functional.layer_norm(x, (4,)).sum() + values.sum()

        _, _, _, sites = survey(Norm(), array(3, 4))
        assert "<root>::layer_norm#0" in sites
        assert "<root>::layer_norm#0[1]" not in sites
        assert "<root>::topk#0[1]" not in sites

    def test_orders_follow_execution(self):
        _, _, program, _ = survey(Block(), array(1, 3, 8))
        assert [site.order for site in program.sites] == list(range(len(program.sites)))
        position = {site.name: site.order for site in program.sites}
        assert all(
            position[source] < site.order for site in program.sites for source in site.inputs
        )


class TestRun:
    def test_values_are_those_of_hooks(self):
        model = Block().eval()
        runner, call, _, _ = survey(model, array(1, 3, 8))
        expected = {}
        for name, module in model.named_modules():
            module.register_forward_hook(
                lambda _m, _a, out, name=name: expected.update({name: out.detach().numpy()})
            )
        with torch.no_grad():
            model(torch.from_numpy(call.args[0]))
        seen, outputs = values(runner, call, ["norm", "attn.qkv", "attn", "<root>"])
        for name in ("norm", "attn.qkv", "attn"):
            np.testing.assert_array_equal(seen[name], expected[name])
        np.testing.assert_array_equal(outputs[0], expected[""])

    def test_only_what_was_asked_for_is_shown(self):
        runner, call, _, _ = survey(Block(), array(1, 3, 8))
        seen, _ = values(runner, call, ["attn::softmax#0", "x"])
        assert list(seen) == ["x", "attn::softmax#0"]

    def test_values_are_read_only_views(self):
        runner, call, _, _ = survey(Block(), array(1, 3, 8))

        def probe(site, value, exact=None):
            with pytest.raises(ValueError, match="read-only"):
                value[...] = 0
            assert exact is None

        runner.run(call, probe)

    def test_bfloat16_is_shown_as_such_and_inputs_follow_the_model(self):
        runner, call, program, sites = survey(nn.Linear(3, 2).bfloat16(), array(1, 3))
        assert sites["<root>"].dtype == "bfloat16"
        assert program.weights["weight"].load().dtype.name == "bfloat16"
        seen, outputs = values(runner, call)
        assert seen["<root>"].dtype.name == outputs[0].dtype.name == "bfloat16"

    def test_the_users_own_hooks_are_respected(self):
        model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
        model[0].register_forward_hook(lambda _m, _a, out: out * 0 + 7)
        runner, call, _, _ = survey(model, array(1, 2))
        seen, outputs = values(runner, call, ["0", "<root>"])
        assert (outputs[0] == 7).all()
        assert (seen["0"] == 7).all()

    def test_a_failing_model_is_one_sentence_with_the_place(self):
        model = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Linear(3, 3)))
        with pytest.raises(CaptureError, match=r"Sequential fails in 1\.0: RuntimeError: .*shapes"):
            TorchRunner(model).run(Call((array(1, 2),)))

    def test_a_wrong_call_says_what_forward_takes(self):
        with pytest.raises(InputError, match=r"forward\(x\) cannot be called with 2 positional"):
            TorchRunner(Block()).run(Call((array(1), array(1))))

    @pytest.mark.parametrize("error", [RuntimeError("stop"), KeyboardInterrupt()])
    def test_what_a_probe_raises_comes_through(self, error):
        runner, call, _, _ = survey(Block(), array(1, 3, 8))

        def probe(site, value, exact=None):
            if site == "attn.qkv":
                raise error

        with pytest.raises(type(error)) as caught:
            runner.run(call, probe)
        assert caught.value is error

    def test_what_a_probe_raises_comes_through_a_model_that_catches_all(self):
        class Catches(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(2, 2)

            def forward(self, x):
                try:
                    return self.fc(x)
                except Exception:  # noqa: BLE001  that is the case under test
                    return x

        def probe(site, value, exact=None):
            raise ArithmeticError("stop")

        with pytest.raises(ArithmeticError, match="stop"):
            TorchRunner(Catches()).run(Call((array(1, 2),)), probe, ["fc"])

    def test_an_error_that_the_model_handles_itself_does_no_harm(self):
        class Tries(nn.Module):
            def __init__(self):
                super().__init__()
                self.bad, self.good = nn.Linear(3, 3), nn.Linear(2, 2)

            def forward(self, x):
                try:
                    return self.bad(x)
                except RuntimeError:
                    return self.good(x) + 1

        _, _, _, sites = survey(Tries(), array(1, 2))
        assert sites["<root>::add#0"].scope == ""
        assert sites["<root>::add#0"].inputs == ("good",)

    def test_the_description_says_where_and_how_it_runs(self):
        described = TorchRunner(Block().eval()).describe()
        assert described["kind"] == "torch.nn.Module"
        assert described["device"] == "cpu"
        assert described["training"] is False
        assert described["dtypes"] == ["float32"]


class TestControlFlow:
    class Branches(Parent):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(3, 3)

        def forward(self, x):
            return torch.cond(x.sum() > 0, lambda x: self.fc(x) + 1, lambda x: x - 1, (x,)) * 2

    @pytest.mark.parametrize("sign", [1, -1])
    def test_the_branch_that_ran_is_seen(self, sign):
        x = sign * np.abs(array(2, 3))
        _, _, _, sites = survey(self.Branches(), x)
        taken, other = ("add", "sub") if sign > 0 else ("sub", "add")
        assert f"<root>::{taken}#0" in sites
        assert f"<root>::{other}#0" not in sites
        assert ("fc" in sites) == (sign > 0)
        assert sites["<root>::mul#0"].inputs == (f"<root>::{taken}#0",)

    def test_so_it_is_in_an_exported_program(self):
        x = np.abs(array(2, 3))
        program = torch.export.export(self.Branches(), (torch.from_numpy(x),))
        _, _, _, sites = survey(program, x)
        assert sites["<root>::mul#0"].inputs == ("<root>::add#0",)

    def test_compiled_modules_run_as_they_were(self):
        inner = nn.Sequential(nn.Linear(3, 3), nn.ReLU())
        model = nn.Sequential(torch.compile(inner), nn.Tanh())
        runner, call, _, sites = survey(model, array(2, 3))
        assert sites["0._orig_mod.1"].op == "ReLU"
        expected = nn.Sequential(inner, nn.Tanh())(torch.from_numpy(call.args[0]))
        np.testing.assert_array_equal(runner.run(call)[0], expected.detach().numpy())


class Turned(Parent):
    def forward(self, x):
        return self.child(torch.relu(x).neg().transpose_(0, 1)) * 2


def test_a_view_made_in_place_is_a_step_of_its_own():
    _, _, _, sites = survey(Turned(), array(2, 3))
    assert sites["<root>::mul#0"].inputs == ("<root>::transpose#0",)
    assert sites["<root>::transpose#0"].inputs == ("<root>::neg#0",)
    assert not sites["child"].constant


def test_a_model_in_which_an_export_left_fake_tensors_is_refused():
    from torch._subclasses.fake_tensor import FakeTensorMode

    class Cached(nn.Module):
        """Keeps what it computed, as detection heads do with their anchors."""

        def __init__(self):
            super().__init__()
            self.head = nn.Module()
            with FakeTensorMode():
                self.head.strides = torch.zeros(1, 4)

    with pytest.raises(InputError, match=r"head\.strides of the model is a fake tensor.*again"):
        TorchRunner(Cached())
