"""Patching: what is replaced, and that the very same objects come back."""

from __future__ import annotations

import logging
import types
from typing import TYPE_CHECKING, Any

import pytest

from codeanatomy_distro.instrumentation import patching
from codeanatomy_distro.instrumentation.patching import Patches, Target, report_failure

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(autouse=True)
def nothing_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin each test with nothing reported."""
    monkeypatch.setattr(patching, "_reported", set[str]())


class Base:
    attribute = "a"

    def method(self, value: int) -> Any:
        """Return what a method knows: its object's class and its argument."""
        return (type(self).__name__, value)

    @classmethod
    def of_class(cls) -> Any:
        """Return the class that it was called on."""
        return cls.__name__

    @staticmethod
    def static(value: int) -> Any:
        """Return its argument."""
        return value

    @property
    def size(self) -> int:
        """Return a number."""
        return 1


class Derived(Base):
    pass


class Below(Derived):
    pass


def twice(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return ("wrapped", wrapped(*args, **kwargs))


@pytest.fixture(params=[Base, Derived], ids=["own", "inherited"])
def owner(request: pytest.FixtureRequest) -> type[Base]:
    """Patch a class that has the attributes itself, and one that inherits them."""
    return request.param


def test_methods_of_every_kind_are_wrapped_and_put_back(owner: type[Base]) -> None:
    """Methods, class methods and static ones keep their binding when wrapped, and are the identical objects after."""
    before = {cls: dict(vars(cls)) for cls in (Base, Derived, Below)}
    patches = Patches()
    patches.apply([Target(owner, name, wrapper=twice) for name in ("method", "of_class", "static")])
    assert owner().method(1) == ("wrapped", (owner.__name__, 1))
    assert owner.static(1) == ("wrapped", 1)
    assert owner.of_class() == ("wrapped", owner.__name__)
    assert Below.of_class() == ("wrapped", "Below")
    patches.undo()
    for cls, attributes in before.items():
        after = vars(cls)
        assert all(
            after[name] is value for name, value in attributes.items() if name not in {"__dict__", "__weakref__"}
        )
        assert set(after) == set(attributes)


def test_plain_replacements_pickle_as_functions_do(owner: type[Base]) -> None:
    """With `plain` the attribute is the very function that was made, and the original is what it was made from."""
    made: list[Any] = []

    def make(original: Any) -> Any:
        def method(self: Any, value: int) -> Any:
            return ("plain", original(self, value))

        made.append(method)
        return method

    original = Base.__dict__["method"]
    patches = Patches()
    patches.apply([Target(owner, "method", plain=make)])
    assert vars(owner)["method"] is made[0]
    assert isinstance(vars(owner)["method"], types.FunctionType)
    assert owner().method(1) == ("plain", (owner.__name__, 1))
    patches.undo()
    assert Base.__dict__["method"] is original
    assert ("method" in vars(owner)) is (owner is Base)


def test_modules_are_patched_too() -> None:
    """A function of a module is replaced and put back, also one that the module makes on demand."""
    module: Any = types.ModuleType("theirs")
    module.work = original = lambda: 1

    def make(name: str) -> Callable[[], int]:
        return (lambda: 2) if name == "lazy" else pytest.fail(name)

    module.__getattr__ = make
    patches = Patches()
    patches.apply([Target(module, "work", wrapper=twice), Target(module, "lazy", wrapper=twice)])
    assert (module.work(), module.lazy()) == (("wrapped", 1), ("wrapped", 2))
    patches.undo()
    assert module.work is original
    assert "lazy" not in vars(module)


def test_what_is_missing_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """A target that this version of the library lacks is passed over without a warning."""
    patches = Patches()
    with caplog.at_level(logging.INFO):
        patches.apply([Target(Base, "no_such", wrapper=twice), Target(Base, "method", wrapper=twice)])
    assert Base().method(1)[0] == "wrapped"
    assert not caplog.records
    patches.undo()


def test_what_can_not_be_replaced_is_told_and_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """A class that takes no attributes, and a replacement that fails, stop neither program nor other targets."""

    def broken(original: Any) -> Any:
        message = "another version"
        raise KeyError(message)

    patches = Patches()
    patches.apply([
        Target(int, "bit_length", wrapper=twice),
        Target(Base, "static", plain=broken),
        Target(Base, "of_class"),
        Target(Base, "method", wrapper=twice),
    ])  # fmt: skip
    assert Base().method(1)[0] == "wrapped"
    assert (Base.static(1), Base.of_class()) == (1, "Base")
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 3
    patches.undo()
    assert Base().method(1) == ("Base", 1)


def test_what_others_wrapped_after_us_stays() -> None:
    """A wrapper that somebody put over ours is left in place by the undo."""
    patches = Patches()
    patches.apply([Target(Base, "method", wrapper=twice)])
    ours = vars(Base)["method"]

    def theirs(self: Base, value: int) -> Any:
        return ("theirs", ours(self, value))

    original = ours.__wrapped__
    Base.method = theirs
    patches.undo()
    assert vars(Base)["method"] is theirs
    Base.method = original


def test_the_last_patch_is_undone_first() -> None:
    """Two patches of one attribute come off in turn, and a second undo does nothing."""
    original = vars(Base)["method"]
    patches = Patches()
    patches.apply([Target(Base, "method", wrapper=twice), Target(Base, "method", wrapper=twice)])
    assert Base().method(1) == ("wrapped", ("wrapped", ("Base", 1)))
    patches.undo()
    patches.undo()
    assert vars(Base)["method"] is original


def test_exceptions_pass_unchanged() -> None:
    """The exception of a wrapped method is the very object that it raised."""
    error = ValueError("theirs")

    def fails(self: Base, value: int) -> Any:
        raise error

    def make(original: object) -> Any:
        return fails

    patches = Patches()
    patches.apply([Target(Base, "method", plain=make), Target(Base, "method", wrapper=twice)])
    with pytest.raises(ValueError, match="theirs") as caught:
        Base().method(1)
    assert caught.value is error
    patches.undo()


def test_a_failure_is_told_once_a_place(caplog: pytest.LogCaptureFixture) -> None:
    """Our own failure is one warning for each place, whatever text the error has or has not."""

    class Silent(Exception):  # noqa: N818 - named for what it does
        def __str__(self) -> str:
            message = "no text"
            raise RuntimeError(message)

    for _ in range(3):
        report_failure("one", Silent())
        report_failure("two", ValueError("x"))
    assert [record.getMessage() for record in caplog.records] == [
        "one failed and is left out: Silent: (test_a_failure_is_told_once_a_place.<locals>.Silent without a text)",
        "two failed and is left out: ValueError: x",
    ]
