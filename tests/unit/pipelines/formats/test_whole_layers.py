"""Layers that no recipe rounds: what chooses experts, and what makes a state space's steps."""

from quantgate.pipelines.formats.whole_layers import left_whole, step_projections


def test_what_makes_the_steps_of_a_state_space_stays_whole_and_all_else_of_it_does_not() -> None:
    shapes = {
        "backbone.layers.0.mixer.in_proj.weight": (1024, 256),
        "backbone.layers.0.mixer.x_proj.weight": (160, 512),
        "backbone.layers.0.mixer.dt_proj.weight": (512, 128),
        "backbone.layers.0.mixer.dt_proj.bias": (512,),
        "model.layers.1.mamba.dt_proj.weight": (512, 128),
    }
    steps = {"backbone.layers.0.mixer.dt_proj.weight", "model.layers.1.mamba.dt_proj.weight"}
    assert step_projections(shapes) == steps
    assert left_whole(shapes) == steps


def test_routers_stay_whole_beside_them() -> None:
    shapes = {
        "model.layers.0.mamba.dt_proj.weight": (512, 128),
        "model.layers.1.feed_forward.router.weight": (2, 64),
        "model.layers.1.feed_forward.experts.0.up_proj.weight": (64, 64),
        "model.layers.1.feed_forward.experts.1.up_proj.weight": (64, 64),
    }
    assert left_whole(shapes) == {
        "model.layers.0.mamba.dt_proj.weight",
        "model.layers.1.feed_forward.router.weight",
    }
