"""Long runs: their averages, and when to look at them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, NamedTuple, get_type_hints

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

BLOCK = 64  # steps whose random numbers are drawn at once: a key per step would cost more than it

Steps = Annotated[int, "step"]


class Pieces(NamedTuple):
    """What a recorded simulation is made of; a sweep runs them one by one, and keeps the state."""

    init: Callable[..., Any]
    advance: Callable[..., Any]
    observe: Callable[..., Any]


def log_steps(last: int, per_decade: int = 10) -> np.ndarray:
    """Whole numbers from 0 to ``last``, roughly ``per_decade`` in each factor of ten.

    Parameters
    ----------
    last : int
        At least 1.
    per_decade : int
        How many, where whole numbers are dense enough.

    Returns
    -------
    ndarray of int
        Increasing, without repetitions.
    """
    if last < 1:
        raise ValueError(f"last = {last} is below 1")
    count = int(np.ceil(per_decade * np.log10(last))) + 1
    return np.unique(np.append(0, np.round(np.geomspace(1, last, count)))).astype(int)


def time_average(
    one_sweep: Callable[[Any, Array], tuple[Any, Any]], state: Any, burn_in: int, sweeps: int
) -> tuple[Any, Any]:
    """Mean of what is seen in ``sweeps`` sweeps that follow ``burn_in`` others.

    Parameters
    ----------
    one_sweep : callable
        ``one_sweep(state, step) -> (state, seen)``, with the number of the sweep; ``seen`` is a
        pytree of arrays.
    state : pytree of arrays
        Before the first sweep.
    burn_in, sweeps : int
        At least 0 and 1.

    Returns
    -------
    averages, state : pytree
        Of ``seen``, and after the last sweep.
    """

    def unseen(state: Any, step: Array) -> tuple[Any, None]:
        return one_sweep(state, step)[0], None

    def measure(carry: tuple[Any, Any], step: Array) -> tuple[tuple[Any, Any], None]:
        state, seen = one_sweep(carry[0], step)
        return (state, jax.tree.map(jnp.add, carry[1], seen)), None

    state, _ = lax.scan(unseen, state, jnp.arange(burn_in))
    _, seen = jax.eval_shape(one_sweep, state, jnp.array(burn_in))
    zero = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), seen)
    (state, total), _ = lax.scan(measure, (state, zero), burn_in + jnp.arange(sweeps))
    return jax.tree.map(lambda leaf: leaf / sweeps, total), state


def in_blocks(
    move: Callable[[Any, Any], Any], draw: Callable[[Array, Any], Any], state: Any, until: Array
) -> Any:
    """Go on to step ``until``; the random numbers of a step depend on the key and the step alone.

    Parameters
    ----------
    move : callable
        ``move(state, numbers)``, the state after one step, which it counts.
    draw : callable
        ``draw(key, state)``, arrays with the numbers of BLOCK steps.
    state : NamedTuple
        With ``key`` and ``step``.
    until : int
        Any step, a multiple of BLOCK or not.
    """

    def block(state: Any) -> Any:
        numbers = draw(jax.random.fold_in(state.key, state.step // BLOCK), state)
        end = jnp.minimum((state.step // BLOCK + 1) * BLOCK, until)

        def once(step: Array, state: Any) -> Any:
            return move(state, jax.tree.map(lambda drawn: drawn[step % BLOCK], numbers))

        return lax.fori_loop(state.step, end, once, state)

    return lax.while_loop(lambda state: state.step < until, block, state)


def recorded(
    init: Callable[..., Any], advance: Callable[..., Any], observe: Callable[..., Any]
) -> Callable[..., Any]:
    """Make a simulation out of three pure functions.

    Parameters
    ----------
    init : callable
        ``init(key, ...) -> State``; its keyword-only arguments fix shapes.
    advance : callable
        ``advance(state, until) -> State`` at that step. The random numbers of a step belong to the
        step, not to the call, so that the record times do not change the run.
    observe : callable
        ``observe(state) -> Observables``, a NamedTuple.

    Returns
    -------
    callable
        Jitted, with the arguments of ``init`` and ``step``, the increasing steps to record; its
        observables have the dimension ``step`` before their own.
    """
    begin = inspect.signature(init)
    fixed = [n for n, p in begin.parameters.items() if p.kind is inspect.Parameter.KEYWORD_ONLY]

    def simulate(*args: Any, step: Array, **kwargs: Any) -> Any:
        def record(state: Any, until: Array) -> tuple[Any, Any]:
            state = advance(state, until)
            return state, observe(state)

        return lax.scan(record, init(*args, **kwargs), step)[1]

    step = inspect.Parameter("step", inspect.Parameter.KEYWORD_ONLY, annotation=Steps)
    series = _over_steps(get_type_hints(observe, include_extras=True)["return"])
    hints = get_type_hints(init, include_extras=True) | {"step": Steps, "return": series}
    simulate.__signature__ = begin.replace(  # type: ignore[attr-defined]
        parameters=[
            p.replace(annotation=hints.get(name, p.empty))
            for name, p in (begin.parameters | {"step": step}).items()
        ],
        return_annotation=series,
    )
    simulate.__annotations__ = hints
    simulate.__module__, simulate.__doc__ = init.__module__, init.__doc__
    parts = ", ".join(part.__name__ for part in (init, advance, observe))
    simulate.__qualname__ = f"recorded({parts})"
    simulate.pieces = Pieces(init, advance, observe)  # type: ignore[attr-defined]
    return partial(jax.jit, static_argnames=fixed)(simulate)


def _over_steps(observables: type) -> type:
    """The same NamedTuple, each field with the dimension ``step`` before its own."""
    hints = get_type_hints(observables, include_extras=True)
    fields = {
        name: Annotated[
            getattr(hint, "__origin__", hint), "step", *getattr(hint, "__metadata__", ())
        ]
        for name, hint in hints.items()
    }
    return NamedTuple(observables.__name__, list(fields.items()))  # type: ignore[misc]
