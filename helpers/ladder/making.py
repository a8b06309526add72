"""The files of all forms of a model, made on all cores."""

import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path

from helpers.lab.errors import reason_of
from helpers.lab.files import write_bytes
from helpers.lab.host import usable_cores
from helpers.lab.records import current_record
from helpers.models.registry import Model
from helpers.quantize.records import MadeFile
from helpers.quantize.stage import variant_origin, write_form
from helpers.run.experiment import Run
from helpers.run.forms import is_simulated
from helpers.run.variant_files import variant_file
from helpers.run.variants import Variant


def make_files(
    run: Run, model: Model, forms: Sequence[Variant], files: Mapping[str, Path]
) -> Iterator[tuple[str, MadeFile | str]]:
    """Write the file of each form, by its id; yield its id, and what it holds or why it failed.

    Simulated forms are made in processes of their own (their codes are searched for by NumPy, which holds the
    interpreter), while the quantizer makes the others here.
    """
    apart = [form for form in forms if is_simulated(form)]
    # Forked workers would inherit the locks of the runtime's threads.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max(1, min(usable_cores(), len(apart))), context) as pool:
        waiting = {form.id: pool.submit(write_form, run, model, form, files[form.id]) for form in apart}
        try:
            for form in forms:
                if form.id not in waiting:
                    yield form.id, made_here(run, model, form, files[form.id])
            yield from ((form, outcome_of(future)) for form, future in waiting.items())
        finally:
            pool.shutdown(cancel_futures=True)


def made_here(run: Run, model: Model, form: Variant, file: Path) -> MadeFile | str:
    """What a form's file holds, or why there is none; one that 02 made in this run is taken from there."""
    try:
        source = variant_origin(run, model, form)
        known = current_record(run.paths.variant_record(model.id, form.id), MadeFile, source)
        if known and known.values:
            write_bytes(file, variant_file(run, model, form.id).read_bytes())
            return known.values
        return write_form(run, model, form, file)
    except Exception as error:  # quantizers raise many types; none may stop the other forms
        return reason_of(error)


def outcome_of(future: Future) -> MadeFile | str:
    try:
        return future.result()
    except Exception as error:  # whatever a form meets in weights that it does not fit
        return reason_of(error)
