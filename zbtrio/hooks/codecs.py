"""Types that plugins teach to the JSON codec: pydantic models, for instance."""

from zbtrio.hooks.calls import Calls
from zbtrio.hooks.types import VariableCodec


class Codecs:
    """The `variable_codec` hook, asked once for each type."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._found: dict[type, VariableCodec | None] = {}

    def find(self, annotation: type) -> VariableCodec | None:
        """The codec of a type, from the first plugin that has one."""
        if annotation not in self._found:
            answers = self._calls.ask("variable_codec", annotation=annotation)
            self._found[annotation] = next((codec for _, codec in answers), None)
        return self._found[annotation]

    def decode(self, annotation: type, value: object) -> object:
        """A value of that type, as msgspec's `dec_hook`. Raises TypeError if no plugin knows it."""
        codec = self.find(annotation)
        if codec is None:
            raise TypeError(f"{annotation.__qualname__} is no type that variables have")
        return codec.decode(value)

    def encode(self, value: object) -> object:
        """Plain data of a value, as the `enc_hook` of `zbtrio.variables.dumps`.

        Raises NotImplementedError if no plugin knows it, which leaves it to the rules there.
        """
        codec = self.find(type(value))
        if codec is None:
            raise NotImplementedError(f"{type(value).__qualname__} is no type that variables have")
        return codec.encode(value)
