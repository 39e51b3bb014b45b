"""Collections inside leave alone what was there before, and everything is as it was after."""

import gc
import weakref

from divergence.garbage import spared


class Node:
    pass


def cycle():
    node = Node()
    node.self = node
    return weakref.ref(node)


def test_what_is_made_inside_is_collected_and_what_was_before_only_later():
    gc.collect()
    gc.disable()
    try:
        before = cycle()
        with spared():
            inside = cycle()
            gc.collect()
            assert (before() is None, inside() is None) == (False, True)
        gc.collect()
        assert before() is None
    finally:
        gc.enable()


def test_what_the_caller_froze_stays_frozen():
    gc.freeze()
    try:
        with spared():
            pass
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
