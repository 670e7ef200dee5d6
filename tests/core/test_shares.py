"""Test how a scarce thing is shared by account."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from letterhead.core.schedule.shares import AccountQueue, choose_turns, may_take, quarter_of

PLACES = st.integers(1, 64)
WAITING = st.lists(st.sampled_from("ABCDE"), max_size=100)


@given(PLACES)
def test_one_account_alone_leaves_a_quarter_of_the_places_free(places: int) -> None:
    """It takes three quarters at most, and one place always where there is one."""
    alone = choose_turns(["A"] * 200, {}, places)
    assert len(alone) == max(1, places - quarter_of(places))
    assert may_take(places, len(alone), 0) or places == 1


@given(PLACES, WAITING)
def test_no_account_takes_more_than_a_quarter_while_one_with_less_waits(places: int, waiting: list[str]) -> None:
    """Whoever was left waiting has no less than those who took a place beyond the first of each."""
    chosen = choose_turns(waiting, {}, places)
    got = Counter(waiting[at] for at in chosen)
    left = {account for at, account in enumerate(waiting) if at not in chosen}
    assert len(chosen) <= places
    for account in left:
        assert all(number <= max(got[account] + 1, quarter_of(places)) for number in got.values())
        assert all(number <= got[account] + 1 for number in got.values())


@given(PLACES, WAITING)
def test_the_oldest_of_an_account_goes_first(places: int, waiting: list[str]) -> None:
    """Within one account the order of waiting stays."""
    chosen = choose_turns(waiting, {}, places)
    by_account = {account: [at for at, each in enumerate(waiting) if each == account] for account in "ABCDE"}
    ours = {account: [at for at in chosen if waiting[at] == account] for account in "ABCDE"}
    assert ours == {account: own[: len(ours[account])] for account, own in by_account.items()}


def test_whoever_holds_places_waits_behind_whoever_holds_none() -> None:
    """The newcomer is the last in the line, and goes first."""
    assert choose_turns(["A"] * 10 + ["B"], {"A": 12}, 16) == [10]
    assert choose_turns(["A"] * 10 + ["B"], {"A": 15}, 16) == [10]
    assert choose_turns(["A"], {"A": 3}, 16) == [0]


@given(PLACES, st.lists(st.tuples(st.sampled_from("ABC"), st.booleans()), max_size=120))
def test_the_queue_in_memory_keeps_the_rule(places: int, steps: list[tuple[str, bool]]) -> None:
    """Things come and places are freed in any order: each place goes to an account that held the fewest."""
    queue: AccountQueue[int] = AccountQueue(places)
    took: list[tuple[str, int]] = []
    for at, (account, comes) in enumerate(steps):
        if comes:
            queue.add(account, at)
        elif queue.held(account):
            queue.free(account)
        held = {each: queue.held(each) for each in "ABC"}
        waits = [each for each in "ABC" if queue.waiting(each)]
        turn = queue.take()
        if turn is None:
            assert not any(may_take(places, sum(held.values()), held[each]) for each in waits)
            continue
        assert held[turn[0]] == min(held[each] for each in waits)
        assert queue.taken == sum(held.values()) + 1 <= places
        took.append(turn)
    for account in "ABC":
        assert [at for whose, at in took if whose == account] == sorted(at for whose, at in took if whose == account)


def test_the_account_served_longest_ago_is_next() -> None:
    """Accounts that hold as many take turns, whatever each has waiting."""
    queue: AccountQueue[str] = AccountQueue(4)
    for thing in ("A1", "A2", "A3", "B1", "B2"):
        queue.add(thing[0], thing)
    turns = []
    while (turn := queue.take()) is not None:
        turns.append(turn[1])
        queue.free(turn[0])
    assert turns == ["A1", "B1", "A2", "B2", "A3"]


def test_what_no_longer_waits_is_removed() -> None:
    """Nothing is left of an account that neither waits nor holds a place."""
    queue: AccountQueue[str] = AccountQueue(4)
    queue.add("A", "A1")
    queue.remove("A", "A1")
    assert queue.take() is None
    assert (len(queue), queue.waiting("A"), queue.taken) == (0, 0, 0)
