"""Which workers of a cluster take part: those that are as this machine is, and hold the cores' files."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from helpers.evaluate.remote import Shipped, differences, numerics, store
from helpers.lab.errors import LabError
from helpers.lab.units import how_many

# What asks workers: a function and its arguments, at these addresses -> what each gives, or its error.
Ask = Callable[..., Mapping[str, Any]]
Worker = tuple[str, str]  # address and folder of its own: no two processes have both


@dataclass
class Roster:
    """Workers by what they answered; a process is asked once.

    Attributes:
        ask: as ``Ask`` says.
        files: what a worker must hold before it is given a task.
        tell: takes a sentence for the user.
        refused: name of a worker -> in what it differs.
    """

    ask: Ask
    files: Sequence[Shipped] = ()
    tell: Callable[[str], None] = print
    refused: dict[str, str] = field(default_factory=dict)
    _fit: dict[Worker, bool] = field(default_factory=dict)
    _told: int = 0

    def usable(self, known: Mapping[str, Mapping[str, Any]]) -> list[str]:
        """Addresses of those of ``known`` that may be given tasks; the others are refused by name.

        A worker that there is no connection to is neither: it is asked again next time.
        """
        workers = {address: (address, facts["local_directory"]) for address, facts in known.items()}
        fresh = [address for address, worker in workers.items() if worker not in self._fit]
        if fresh:
            judged = self.differences_of(fresh)
            answers = {address: why for address, why in judged.items() if why}
            answers |= self.supplied([address for address in judged if address not in answers])
            for address, why in answers.items():
                self._fit[workers[address]] = not why
                if why:
                    self.refuse(named(address, known[address]["name"]), why)
        fit = [address for address, worker in workers.items() if self._fit.get(worker)]
        self.tell_number(len(fit))
        return fit

    def differences_of(self, addresses: Iterable[str]) -> dict[str, str]:
        """Address -> in what the worker differs from this machine; those without an answer are left out."""
        found = answered(self.ask(numerics, addresses=addresses))
        own = numerics()
        return {
            address: differences(own, setting) if isinstance(setting, Mapping) else failure_of(setting)
            for address, setting in found.items()
        }

    def supplied(self, addresses: Sequence[str]) -> dict[str, str]:
        """Give the files to workers, one file after the other: address -> why it could not keep one.

        Those to which there is no connection any more are left out.
        """
        reasons = dict.fromkeys(addresses, "")
        for file in self.files:
            going = [address for address, why in reasons.items() if not why]
            found = answered(self.ask(store, file, addresses=going)) if going else {}
            reasons = {a: why for a, why in reasons.items() if why or a in found}
            reasons |= {a: failure_of(e) for a, e in found.items() if isinstance(e, BaseException)}
        return reasons

    def refuse(self, name: str, why: str) -> None:
        self.refused[name] = why
        self.tell(f"Refused: worker {name}: {why}.")

    def tell_number(self, count: int) -> None:
        if count != self._told:
            self.tell(f"Cluster: {how_many(count, 'worker')}.")
        self._told = count


def answered(answers: Mapping[str, Any]) -> dict[str, Any]:
    """Without the workers to which there was no connection: they end, or have ended."""
    return {
        address: answer
        for address, answer in answers.items()
        if isinstance(answer, TimeoutError) or not isinstance(answer, OSError)
    }


def failure_of(error: object) -> str:
    if isinstance(error, TimeoutError):
        return "it does not answer"
    said = error.found if isinstance(error, LabError) else f"{type(error).__name__}: {error}"
    return f"it fails: {said}".rstrip(".")


def named(address: str, name: object) -> str:
    return address if str(name) == address else f"{name} ({address})"
