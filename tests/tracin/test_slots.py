"""Which epochs fill the slots."""

import pytest

from tracin.slots import choose_slots, is_pooled


def test_pool_has_the_first_epoch_and_each_multiple() -> None:
    assert [e for e in range(1, 31) if is_pooled(e, 10)] == [1, 10, 20, 30]


def test_first_and_last_are_in_and_rises_are_passed_over() -> None:
    pool = {1: 3.0, 2: 2.0, 3: 2.5, 4: 1.5, 5: 1.6}
    assert choose_slots(pool, 4) == [1, 2, 4, 5]


def test_rises_fill_up_when_too_few_epochs_fell() -> None:
    assert choose_slots({1: 1.0, 2: 3.0, 3: 2.0, 4: 4.0}, 3) == [1, 3, 4]


@pytest.mark.parametrize("slots", range(1, 13))
def test_slots_are_distinct_and_ascending(slots: int) -> None:
    chosen = choose_slots({e: 1.0 / e for e in range(1, 13)}, slots)
    assert len(set(chosen)) == slots and chosen == sorted(chosen) and chosen[-1] == 12


def test_too_few_epochs_name_the_settings() -> None:
    with pytest.raises(ValueError, match=r"Lower influence\.checkpoints: the training goes on"):
        choose_slots({1: 1.0, 2: 0.5}, 3)
