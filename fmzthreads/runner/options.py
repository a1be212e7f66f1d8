"""The options of a run, from the command line, a config file or ``run_strategy``."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs

from ..errors import InputError

__all__ = ["ExchangeSpec", "Options", "guard_of"]


@attrs.frozen(kw_only=True)
class ExchangeSpec:
    """One exchange of a run.

    Attributes:
        name: FMZ's id of the venue, such as ``Binance``.
        currency: The pair, such as ``BTC_USDT``.
        label: Its name in the journal; empty for the venue's.
        access_key: The public part of the key, or ``file:///NAME.txt`` in the run folder; empty for the environment's.
        secret_key: The secret, or such a file.
        passphrase: The third part, or such a file.
        key_file: A file with mode 0600 that holds the keys; None for none.
        base: The base URL; empty for the venue's own.
        period: The default bar length, in seconds.
        options: Further options of the venue's adapter.
        guards: The limits of its orders, in place of those of the run; None for the run's.
        paper: Settings of its paper account, over those of the run; empty for the run's.
    """

    name: str
    currency: str
    label: str = ""
    access_key: str = attrs.field(default="", repr=False)
    secret_key: str = attrs.field(default="", repr=False)
    passphrase: str = attrs.field(default="", repr=False)
    key_file: str | None = None
    base: str = ""
    period: int = 60
    options: Mapping[str, Any] = attrs.field(factory=dict, repr=False)
    guards: Mapping[str, Any] | None = None
    paper: Mapping[str, Any] = attrs.field(factory=dict)

    @classmethod
    def parse(cls, text: str) -> ExchangeSpec:
        """Reads ``NAME:PAIR``.

        Raises:
            InputError: It is not of this form.
        """
        name, colon, pair = text.rpartition(":")
        if not colon or not name or "_" not in pair:
            raise InputError(f"--exchange {text!r}: expected NAME:PAIR, such as Binance:BTC_USDT")
        return cls(name=name, currency=pair)


@attrs.frozen(kw_only=True)
class Options:
    """Everything that says what is run and how.

    Attributes:
        file: The strategy or script.
        exchanges: The exchanges, in order.
        simulated: Whether simulated exchanges are started.
        args: The strategy's arguments by name, as texts or values.
        templates: Template files, in order.
        template_args: Arguments of templates, by template and name.
        name: The run's name; empty for the file's.
        folder: The run folder; None for the usual place.
        seconds: How long to run; None for no limit.
        json: Whether stdout gets one line of JSON for each event.
        seed: The seed of simulated prices.
        faults: Faults of simulated exchanges, ``[VENUE:]NAME=VALUE``.
        meta: What ``GetMeta`` answers.
        script_arguments: The arguments of a plain script.
        guards: The limits that each exchange object holds its orders to, by the names of ``Guards``.
        paper: Whether the exchanges trade on paper; a table of ``Paper``'s fields says how.
        language: ``zh`` or ``en``, for ``[trans]zh|en[/trans]`` on the terminal.
        quiet: Whether nothing is printed; what the strategy prints is in the run folder.
        run_id: What ``_G()`` answers; 0 for a number that depends on the folder.
        memory_mb: The most memory that the process may reserve, in MiB; 0 for no limit.
        open_files: The most files and sockets that it may have open; 0 for the system's limit.
    """

    file: Path
    exchanges: tuple[ExchangeSpec, ...] = ()
    simulated: bool = False
    args: Mapping[str, Any] = attrs.field(factory=dict, repr=False)
    templates: tuple[Path, ...] = ()
    template_args: Mapping[str, Mapping[str, Any]] = attrs.field(factory=dict, repr=False)
    name: str = ""
    folder: Path | None = None
    seconds: float | None = None
    json: bool = False
    seed: int = 1
    faults: tuple[str, ...] = ()
    meta: str = ""
    script_arguments: tuple[str, ...] = ()
    language: str = "en"
    guards: Mapping[str, Any] = attrs.field(factory=dict)
    paper: bool | Mapping[str, Any] = False
    quiet: bool = False
    run_id: int = 0
    memory_mb: int = 0
    open_files: int = 0


def guard_of(text: str) -> tuple[str, Any]:
    """Reads ``--guard name=value``, or ``breaker.name=value``.

    Returns:
        The guard's name, and a number (for the breaker a table with one entry).

    Raises:
        InputError: It is not of this form.
    """
    name, equals, value = text.partition("=")
    head, dot, field = name.strip().partition(".")
    try:
        number: Any = {"true": True, "false": False}[value] if value in {"true", "false"} else Decimal(value)
    except ArithmeticError:
        equals = ""
    if not equals or not head:
        raise InputError(f"--guard {text[:100]!r}: expected NAME=NUMBER, such as max_order_value=1000")
    return head, {field: number} if dot else number
