"""What every configuration object is: frozen, closed to unknown keys, comparable, picklable.

pydantic is used in this package only, and only once a configuration is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, NoReturn, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, PlainSerializer, PrivateAttr

from pimsim.config.document import Document, KeyPath
from pimsim.errors import InputError, Problem

K = TypeVar("K")
V = TypeVar("V")


class FrozenDict(dict[K, V]):
    """A dict that cannot be changed, so that a frozen object that holds one is frozen all through."""

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("a configuration cannot be changed; load it again with --set overrides")

    __setitem__ = __delitem__ = update = setdefault = pop = popitem = clear = __ior__ = _refuse

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[Any, ...]:
        return FrozenDict, (dict(self),)


def freeze(value: Any) -> Any:
    """Dicts as :class:`FrozenDict`, lists as tuples, all the way down."""
    if isinstance(value, dict):
        return FrozenDict({key: freeze(item) for key, item in value.items()})
    return tuple(freeze(item) for item in value) if isinstance(value, (list, tuple)) else value


def thaw(value: Any) -> Any:
    """The opposite of :func:`freeze`: plain dicts and lists, as YAML and JSON have them."""
    if isinstance(value, dict):
        return {key: thaw(item) for key, item in value.items()}
    return [thaw(item) for item in value] if isinstance(value, (list, tuple)) else value


Frozen = Annotated[dict[str, V], AfterValidator(freeze)]
"""A mapping with values of one type, frozen."""

FreeForm = Annotated[dict[str, Any], AfterValidator(freeze), PlainSerializer(thaw)]
"""A section whose keys its builder knows, not this package."""


class Config(BaseModel):
    """Base of all configuration objects."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True,
                              use_attribute_docstrings=True)


class Described(Config):
    """Base of everything that a file describes as a whole. It remembers the file, for the sources of its numbers."""

    name: str = ""
    """its name: that of the file unless given"""
    description: str = ""
    """one line for people"""
    _document: Document | None = PrivateAttr(None)

    @contextmanager
    def located(self) -> Iterator[None]:
        """Give the problems that are raised inside, and that name a key of this object, the place of that key."""
        try:
            yield
        except InputError as error:
            raise InputError([self._located(problem) for problem in error.problems]) from None

    def _located(self, problem: Problem) -> Problem:
        key = self._own_key(problem.key)
        if problem.file or not key or self._document is None:
            return problem
        path: KeyPath = tuple(key.split("."))
        return self._document.problem(path, problem.message, problem.allowed)

    def _own_key(self, key: str) -> str:
        """The key within this object that a problem's key means; empty where it is another's."""
        return key if key.partition(".")[0] in type(self).model_fields else ""
