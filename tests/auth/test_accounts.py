"""Accounts: what is kept, what is refused, who stays administrator."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from argon2 import Type

from glm_core.auth import accounts
from glm_core.auth.accounts import AccountError, password_hasher
from tests.auth.shared_server import PASSWORD


def test_a_password_costs_who_guesses_what_argon2_recommends():
    """RFC 9106's second choice; the other tests' passwords take no time."""
    found = password_hasher()
    assert (found.type, found.time_cost, found.memory_cost, found.parallelism) == (Type.ID, 3, 65536, 4)


def test_only_the_right_password_opens(admin):
    assert accounts.check("王老师", PASSWORD) == admin
    assert accounts.check("王老师", PASSWORD.upper()) is None
    assert accounts.check("nobody", PASSWORD) is None
    accounts.set_open_guest(True)
    assert accounts.check("guest", "") is None


@pytest.mark.parametrize("name", ["", "a b", "../x", "guest", "Local", "x" * 33, "a/b", "<b>", "名\x00字", ".hidden"])
def test_refuses_names_that_could_be_mistaken(admin, name):
    with pytest.raises(AccountError):
        accounts.create(name, PASSWORD, "trainer")


@pytest.mark.parametrize(
    ("password", "why"), [("short", "至少 8 个"), ("x" * 201, "最多 200 个"), ("Zhang.San1", "账号名一样")]
)
def test_refuses_weak_passwords(admin, password, why):
    with pytest.raises(AccountError, match=why):
        accounts.create("zhang.san1", password, "trainer")


def test_a_name_is_taken_whatever_its_case(trainer):
    with pytest.raises(AccountError, match="Xiao-Li"):
        accounts.create("Xiao-Li", PASSWORD, "trainer")


def test_the_first_administrator_inherits_this_computers_work_and_nobody_else_does(trainer, admin):
    assert admin.folder == accounts.LOCAL.folder
    assert trainer.folder != accounts.LOCAL.folder
    accounts.remove(trainer)
    assert accounts.create("xiao-li", PASSWORD, "trainer").folder != trainer.folder


def test_somebody_stays_administrator(admin):
    for change in (lambda: accounts.set_role(admin, "guest"), lambda: accounts.remove(admin)):
        with pytest.raises(AccountError):
            change()
    assert accounts.accounts() == [admin]


def test_only_one_can_be_first(workspace):
    def create(number):
        try:
            return accounts.create(f"admin{number}", PASSWORD, "administrator", first=True)
        except AccountError:
            return None

    with ThreadPoolExecutor(4) as pool:
        assert sum(one is not None for one in pool.map(create, range(4))) == 1
