"""Binary and ternary weights: by hand, and against every support and every sign there is."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from helpers.quantize.kinds.coding import decode
from helpers.quantize.kinds.signs import Binary, Ternary, from_bytes, in_bytes
from tests.support.drawn_weights import error

ROWS = st.lists(st.floats(-10, 10, width=32), min_size=1, max_size=7)


def least_error(row: np.ndarray, values: tuple[int, ...]) -> float:
    """Of every choice of ``values``, each times the scale that fits it best."""
    codes = np.array(list(itertools.product(values, repeat=len(row))), np.float64)
    squares = (codes**2).sum(1)
    removed = np.divide((codes @ row) ** 2, squares, out=np.zeros(len(codes)), where=squares > 0)
    return (row**2).sum() - removed.max()


@given(ROWS)
def test_no_ternary_weights_have_a_smaller_error(row):
    tensor = np.float32([row])
    bound = least_error(tensor[0].astype(np.float64), (-1, 0, 1))
    assert error(tensor, decode(Ternary().encode(tensor, 0))) <= bound + 1e-6 * (tensor**2).sum()


@given(ROWS)
def test_no_binary_weights_have_a_smaller_error(row):
    tensor = np.float32([row])
    bound = least_error(tensor[0].astype(np.float64), (-1, 1))
    assert error(tensor, decode(Binary().encode(tensor, 0))) <= bound + 1e-6 * (tensor**2).sum()


def test_ternary_by_hand():
    # Prefixes of 4, 3, 1, 0.5: 16/1, 49/2, 64/3, 72.25/4: the second is the largest, its mean 3.5.
    tensor = np.float32([[3, -4, 0.5, -1], [1, 1, 1, -1]])
    coded = Ternary().encode(tensor, 0)
    assert decode(coded).tolist() == [[3.5, -3.5, 0, 0], [1, 1, 1, -1]]
    assert coded["scales"].tolist() == [3.5, 1]
    assert coded.bits == 2 * 8 + 2 * 32  # eight weights take two bytes


def test_binary_by_hand():
    coded = Binary().encode(np.float32([[1, -2, 0], [-4, 4, 4]]), 0)
    assert decode(coded).tolist() == [[1, -1, 1], [-4, 4, 4]]
    assert coded.bits == 8 + 2 * 32  # six weights take one byte


@given(st.lists(st.sampled_from([-1, 0, 1]), max_size=30))
def test_five_trits_take_a_byte(trits):
    signs = np.float32(trits)
    codes = in_bytes(signs)
    assert len(codes) == -(-len(trits) // 5)
    assert codes.max(initial=0) < 243
    np.testing.assert_array_equal(from_bytes(codes, len(trits)), signs)
