"""The browser of the playground's tests, for those that go the whole way."""

from tests.apps.playground.conftest import chromium

__all__ = ["chromium"]
