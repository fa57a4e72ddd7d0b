"""The addresses that are shown to others, and the commands that let them in. Sharing itself: test_sharing.py."""

import pytest

from glm_core.auth.network import addresses


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        ("http://192.168.1.2:8501/settings?lang=en", "http://192.168.1.2:8501"),
        ("https://glm.example.org/x/settings", "https://glm.example.org"),
        ("", "http://localhost:8502"),
        (None, "http://localhost:8502"),
    ],
)
def test_the_address_is_the_one_the_reader_came_by(url, seen):
    assert addresses.seen_at(url, 8502) == seen


def test_others_are_told_the_readers_address_first_unless_it_means_this_computer():
    urls = ["http://192.168.1.2:8501", "http://10.0.0.2:8501"]
    assert addresses.for_others("http://localhost:8501", urls) == urls
    assert addresses.for_others("http://127.0.0.1:8501", urls) == urls
    assert addresses.for_others("https://glm.example.org", urls) == ["https://glm.example.org", *urls]
    assert addresses.for_others(urls[1], urls) == [urls[1], urls[0]]


def test_the_firewall_is_opened_for_the_port():
    rules = addresses.firewall_rules(8502)
    assert list(rules) == ["bash", "batch"]
    assert all(line.count("8502") == 1 for commands in rules.values() for line in commands.splitlines())
