"""The step and the strength of the adapter that a run keeps."""

from glm_core.training.selection import choose_step, choose_strength


class TestChoiceOfAStep:
    """Which evaluated step's adapter a run keeps."""

    def history(self, *rights):
        return [
            {"step": 10 * (place + 1), "right": [bool(int(one)) for one in right]} for place, right in enumerate(rights)
        ]

    def test_the_last_of_equals_and_of_those_that_chance_explains(self):
        assert choose_step(self.history("111100", "111111", "111111"), 10) is None
        assert choose_step(self.history("0000", "1111", "1110"), 10) is None  # one row of four is chance

    def test_an_earlier_one_that_is_clearly_better(self):
        assert choose_step(self.history("11111111", "11111111", "11100000"), 30) == 20

    def test_the_loss_where_the_judge_cannot_tell_or_was_not_asked(self):
        assert choose_step(self.history("000", "000"), 10) == 10
        assert choose_step([{"step": 10, "eval_loss": 1.0}], 10) == 10
        assert choose_step([], None) is None


class TestStrength:
    """At which strength a run that has learned keeps its adapter."""

    def choose(self, needed):
        """Ten rows, each right from the strength on that it needs; None never."""
        return choose_strength(lambda strength: [need is not None and strength >= need for need in needed])

    def test_one_forward_from_the_weakest_at_which_every_row_stays_right(self):
        assert self.choose([0.5] * 10) == 0.85
        assert self.choose([0.5] * 9 + [0.88]) == 0.95

    def test_further_forward_where_asked(self):
        def right(strength):
            return [strength >= 0.88] * 10

        assert [choose_strength(right, forward) for forward in (0, 1, 2, 3)] == [0.9, 0.95, 1.0, 1.0]

    def test_as_trained_where_a_row_needs_it(self):
        assert self.choose([0.5] * 9 + [0.93]) == 1
        assert self.choose([0.5] * 9 + [1.0]) == 1

    def test_as_trained_where_too_little_is_learned(self):
        assert self.choose([0.5] * 8 + [None] * 2) == 1
        assert choose_strength(lambda strength: []) == 1

    def test_a_row_that_was_never_right_holds_nothing_up(self):
        assert self.choose([0.5] * 9 + [None]) == 0.85
