"""Laying settings over settings, against a brute-force view of trees as paths."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from recap_assets.experiment.merge import merge

KEYS = st.sampled_from("abc")
LEAVES = st.integers(0, 3) | st.lists(st.integers(0, 3), max_size=2)


def trees(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    values = st.recursive(
        leaves, lambda inner: st.dictionaries(KEYS, inner, max_size=3), max_leaves=6
    )
    return st.dictionaries(KEYS, values, max_size=3)


PLAIN = trees(LEAVES)
WITH_NULLS = trees(LEAVES | st.none())


def lookup(tree: Any, path: tuple[str, ...]) -> Any:
    for part in path:
        if not isinstance(tree, dict) or part not in tree:
            return None
        tree = tree[part]
    return tree


def leaf_paths(tree: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not isinstance(tree, dict):
        return [path]
    return [found for key, value in tree.items() for found in leaf_paths(value, (*path, key))]


def test_a_worked_example() -> None:
    base = {"t2i": {"steps": 300, "lr": 1.0}, "arms": {"a": {"mix": 1}, "b": 2}, "metrics": [1, 2]}
    over = {"t2i": {"steps": 5}, "arms": {"a": None, "c": {"d": None, "e": 1}}, "metrics": [3]}
    assert merge(base, over) == {
        "t2i": {"steps": 5, "lr": 1.0},
        "arms": {"b": 2, "c": {"e": 1}},
        "metrics": [3],
    }


@given(PLAIN, WITH_NULLS)
def test_every_leaf_comes_from_the_nearer_tree_that_has_a_say(base: Any, over: Any) -> None:
    merged = merge(base, over)
    for path in leaf_paths(over):
        assert lookup(merged, path) == lookup(over, path)
    for path in leaf_paths(merged):
        said = any(
            not isinstance(lookup(over, path[:depth]), dict | type(None))
            for depth in range(1, len(path) + 1)
        )
        assert lookup(merged, path) == lookup(over if said else base, path)


@given(PLAIN, WITH_NULLS)
def test_no_null_is_left(base: Any, over: Any) -> None:
    assert all(
        lookup(merge(base, over), path) is not None for path in leaf_paths(merge(base, over))
    )


@given(PLAIN)
def test_nothing_laid_on_a_tree_is_that_tree(tree: Any) -> None:
    assert merge(tree, {}) == tree
    assert merge({}, tree) == tree
    assert merge(tree, tree) == tree


@given(PLAIN, WITH_NULLS)
def test_laying_twice_is_laying_once(base: Any, over: Any) -> None:
    assert merge(merge(base, over), over) == merge(base, over)


@given(PLAIN, WITH_NULLS)
def test_the_trees_given_stay_as_they_were(base: Any, over: Any) -> None:
    before = copy.deepcopy((base, over))
    merge(base, over)
    assert (base, over) == before
