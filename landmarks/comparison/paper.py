"""What the papers report on the AFLW test faces of MTFL, in per cent."""

from __future__ import annotations

from landmarks.schemes import ATTRIBUTES

FAILURES: dict[frozenset[str], float] = {
    frozenset(): 35.62,
    frozenset({"gender"}): 31.86,
    frozenset({"glasses"}): 32.87,
    frozenset({"smile"}): 32.37,
    frozenset({"pose"}): 28.76,
    frozenset(ATTRIBUTES): 25.00,
}
"""Zhang, Luo, Loy and Tang, ECCV 2014: landmarks off by more than 10 % of the inter-ocular distance, by the auxiliary
tasks that were learnt with them."""

MEAN_ERRORS: dict[str, float] = {
    "all tasks (TCDCN, ECCV 2014)": 8.0,
    "cascaded CNN (Sun et al. 2013, as later papers quote it)": 8.97,
    "landmarks only, the same layers (VanillaCNN, a re-implementation trained on AFLW)": 8.3,
}
"""Mean error in % of the inter-ocular distance."""
