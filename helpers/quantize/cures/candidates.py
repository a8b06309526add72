"""Every cure of a ``.tflite`` by name, from cheap to dear: what each would make of a draft."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from helpers.lab.progress import progress
from helpers.lab.units import how_many
from helpers.quantize.cures.bias import corrected
from helpers.quantize.cures.concatenations import can_be_rescaled, ends_in_outputs, uneven
from helpers.quantize.cures.draft import Draft
from helpers.quantize.cures.grids import integer_operators
from helpers.quantize.cures.mixed import by_worth, costs_ms, gives_outputs, names_of, sensitivities, units
from helpers.quantize.cures.ranges import PERCENTILES, ranges_by
from helpers.quantize.cures.rounding import rounded
from helpers.quantize.cures.tuning import tuned
from helpers.quantize.cures.workshop import Workshop


@dataclass(frozen=True, eq=False)
class Candidate:
    """
    Attributes:
        told: what was chosen, a clause for people.
        retimed: whether the file has other operators than that of the draft before, and so takes other time.
    """

    told: str
    draft: Draft
    retimed: bool = False


Cure = Callable[[Workshop, Draft], Iterator[Candidate]]
DEPTHWISE = "DEPTHWISE_CONV_2D"
SHARES = (0.5, 0.75, 1.0)
RANGE_WAYS = ("least-squares", *PERCENTILES, "entropy")
NEAR = 1.002  # a tensor's range is changed where the heads' distance falls below its value over this
REFINED = 40  # tensors whose ranges are tried one by one
SETS = (1, 2, 4, 8, 16, 32)


def equalize(shop: Workshop, draft: Draft) -> Iterator[Candidate]:
    for share in SHARES:
        made = shop.equalized(draft.content, share)
        told = "each channel's size" if share == 1 else f"each channel's size to the power of {share:g}"
        yield Candidate(f"scaled by {told}", replace(made, plan=replace(made.plan, floats=draft.plan.floats)))


def ranges(shop: Workshop, draft: Draft) -> Iterator[Candidate]:
    opened = shop.counted(draft.content)
    by_way = {way: ranges_by(way, opened.graph, opened.model, opened.seen) for way in RANGE_WAYS}
    drafts = {way: draft.with_plan(ranges=found) for way, found in by_way.items()}
    for way, made in drafts.items():
        yield Candidate(f"all by {way}", made)
    distances = {way: shop.distance(made) for way, made in drafts.items()}
    best = min(distances, key=distances.__getitem__)
    yield refined_ranges(
        shop, drafts[best], by_way | {"minmax": dict(shop.draft_of(draft.content).plan.ranges)}
    )


def refined_ranges(shop: Workshop, draft: Draft, by_way: Mapping[str, Mapping]) -> Candidate:
    """Of each tensor in turn the range that brings the heads nearest to float32's."""
    nearest, changed = shop.distance(draft), 0
    for name in progress(most_open(draft, by_way), "ranges, tensor by tensor", "tensor"):
        for found in by_way.values():
            if found[name] != draft.plan.ranges[name]:
                trial = draft.with_plan(ranges={**draft.plan.ranges, name: found[name]})
                distance = shop.distance(trial)
                if distance * NEAR < nearest:
                    draft, nearest, changed = trial, distance, changed + 1
    return Candidate(f"by what each does to the heads ({how_many(changed, 'tensor')} otherwise)", draft)


def most_open(draft: Draft, by_way: Mapping[str, Mapping]) -> list[str]:
    """Tensors about whose ranges the ways differ most."""

    def openness(name: str) -> float:
        widths = [found[name].high - found[name].low for found in by_way.values()]
        return max(widths) / max(min(widths), 1e-12)

    return sorted(draft.plan.ranges, key=openness, reverse=True)[:REFINED]


def concatenations(shop: Workshop, draft: Draft) -> Iterator[Candidate]:
    opened = shop.opened(draft.content)
    found = uneven(opened.graph, draft.plan)
    if not found:
        return
    many = how_many(len(found), "concatenation")
    names = frozenset(operator.outputs[0].name for operator in found)
    told = f"inputs of {many} in grids of their own until they are joined"
    yield Candidate(told, draft.with_plan(apart=names), retimed=True)
    last = [behind for operator in found for behind in ends_in_outputs(opened.graph, operator)]
    if last:
        floats = frozenset(operator.outputs[0].name for operator in last)
        shop.why_chosen |= dict.fromkeys(floats, "it joins tensors of different sizes")
        told = "those that give the outputs joined in float32"
        yield Candidate(told, draft.with_plan(floats=draft.plan.floats | floats), retimed=True)
    able = [each for each in found if can_be_rescaled(opened.graph, opened.model, each)]
    if able:
        told = f"inputs of {how_many(len(able), 'concatenation')} scaled to one size by a layer before each"
        names = frozenset(operator.outputs[0].name for operator in able)
        yield Candidate(told, shop.rescaled(draft, names), retimed=True)


def bias(shop: Workshop, draft: Draft) -> Iterator[Candidate]:
    made = corrected(draft.content, draft.plan, shop.photos)
    yield Candidate("means of all channels put back", replace(draft, plan=made))
    types = {operator.type for operator in shop.opened(draft.content).graph.convolutions}
    if DEPTHWISE in types and types != {DEPTHWISE}:
        made = corrected(draft.content, draft.plan, shop.photos, (DEPTHWISE,))
        yield Candidate("means of the depthwise layers' channels put back", replace(draft, plan=made))


def rounding(shop: Workshop, draft: Draft) -> Iterator[Candidate]:
    made = rounded(draft.content, draft.plan, shop.photos, biases=True)
    yield Candidate("codes and biases learnt layer by layer", replace(draft, plan=made))


def mixed(shop: Workshop, draft: Draft) -> Iterator[Candidate]:
    opened = shop.opened(draft.content)
    found = units(opened.graph, integer_operators(opened.graph, draft.plan))

    def with_floats(names: frozenset[str]) -> Draft:
        return draft.with_plan(floats=draft.plan.floats | names)

    last = [unit for unit in found if gives_outputs(opened.graph, unit)]
    if last:
        names = frozenset().union(*map(names_of, last))
        shop.why_chosen |= dict.fromkeys(names, "it gives the outputs: their scores are not rounded")
        told = f"{how_many(len(last), 'layer')} that give the outputs in float32"
        yield Candidate(told, with_floats(names), retimed=True)
    before = shop.distance(draft)
    asked = progress(found, "sensitivity, operator by operator", "operator")
    gains = sensitivities(asked, lambda names: shop.distance(with_floats(names)), before)
    order = by_worth(gains, costs_ms(found))
    for count in (each for each in SETS if each <= len(order)):
        chosen = [found[place] for place in order[:count]]
        names = frozenset().union(*map(names_of, chosen))
        shop.why_chosen |= dict.fromkeys(names, "of all, it gains most accuracy for its time")
        told = f"{how_many(count, 'layer')} in float32, of the most gain for their time"
        yield Candidate(told, with_floats(names), retimed=True)


def tuning(shop: Workshop, draft: Draft) -> Iterator[Candidate]:
    made = tuned(draft.content, draft.plan, shop.photos)
    if made is not draft.plan:
        yield Candidate(
            "weights, biases and ranges moved towards float32's outputs", replace(draft, plan=made)
        )


def plain(shop: Workshop, draft: Draft) -> Iterator[Candidate]:
    """Every operator in 8 bits that LiteRT has a kernel for."""
    yield Candidate("every operator in 8 bits that has a kernel", draft, retimed=True)


CURES: Mapping[str, Cure] = MappingProxyType({
    "kernels": plain,
    "equalize": equalize,
    "concatenations": concatenations,
    "ranges": ranges,
    "bias": bias,
    "rounding": rounding,
    "mixed": mixed,
    "tuning": tuning,
})  # fmt: skip
