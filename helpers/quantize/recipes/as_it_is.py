"""The recipe of float32: the core as it was converted."""

from types import MappingProxyType

from helpers.lab.files import write_bytes
from helpers.quantize.recipes.contract import Recipe, Work, made_file
from helpers.quantize.records import MadeFile


class AsItIs(Recipe):
    def make(self, work: Work) -> MadeFile:
        write_bytes(work.output, work.float_file.read_bytes())
        return made_file(work)


RECIPES = MappingProxyType({"none": AsItIs()})
