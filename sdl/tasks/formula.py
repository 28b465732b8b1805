"""Formulas such as ``Ba2(CuO2)3`` to elements and molar masses."""

from __future__ import annotations

import re
from collections.abc import Mapping

from sdl.core.errors import ConfigError

_TOKEN = re.compile(r"([A-Z][a-z]?)(\d+\.?\d*)?|(\()|(\))(\d+\.?\d*)?")

# Standard atomic weights, IUPAC, g/mol; the longest-lived isotope where there is none.
_WEIGHTS = """
H 1.00794 He 4.0026 Li 6.941 Be 9.01218 B 10.811 C 12.0107 N 14.0067 O 15.9994 F 18.9984 Ne
20.1797 Na 22.9898 Mg 24.305 Al 26.9815 Si 28.0855 P 30.9738 S 32.065 Cl 35.453 Ar 39.948 K
39.0983 Ca 40.078 Sc 44.9559 Ti 47.867 V 50.9415 Cr 51.9961 Mn 54.938 Fe 55.845 Co 58.9332
Ni 58.6934 Cu 63.546 Zn 65.409 Ga 69.723 Ge 72.64 As 74.9216 Se 78.96 Br 79.904 Kr 83.798 Rb
85.4678 Sr 87.62 Y 88.9059 Zr 91.224 Nb 92.9064 Mo 95.94 Tc 98 Ru 101.07 Rh 102.906 Pd
106.42 Ag 107.868 Cd 112.411 In 114.818 Sn 118.71 Sb 121.76 Te 127.6 I 126.904 Xe 131.293 Cs
132.905 Ba 137.327 La 138.905 Ce 140.116 Pr 140.908 Nd 144.242 Pm 145 Sm 150.36 Eu 151.964
Gd 157.25 Tb 158.925 Dy 162.5 Ho 164.93 Er 167.259 Tm 168.934 Yb 173.04 Lu 174.967 Hf 178.49
Ta 180.948 W 183.84 Re 186.207 Os 190.23 Ir 192.217 Pt 195.084 Au 196.967 Hg 200.59 Tl
204.383 Pb 207.2 Bi 208.98 Po 210 At 210 Rn 220 Fr 223 Ra 226 Ac 227 Th 232.038 Pa 231.036 U
238.029 Np 237 Pu 244
"""
ATOMIC_WEIGHT: dict[str, float] = {
    element: float(weight) for element, weight in re.findall(r"([A-Z][a-z]?)\s+([\d.]+)", _WEIGHTS)
}
"""Atomic weight of each element, g/mol."""


def parse_formula(formula: str) -> dict[str, float]:
    """Atoms per formula unit, elements in the order of their first appearance.

    Args:
        formula: Elements, numbers and round brackets, as ``Y2(CO3)3`` or ``YBa2Cu3O6.5``.

    Raises:
        ConfigError: It is not such a formula, or names an unknown element.
    """
    stack: list[dict[str, float]] = [{}]
    position = 0
    while position < len(formula):
        match = _TOKEN.match(formula, position)
        if match is None:
            raise _error(formula)
        element, count, opening, closing, factor = match.groups()
        if opening:
            stack.append({})
        elif closing:
            if len(stack) == 1:
                raise _error(formula)
            for inner, atoms in stack.pop().items():
                stack[-1][inner] = stack[-1].get(inner, 0.0) + atoms * float(factor or 1)
        elif element not in ATOMIC_WEIGHT:
            raise _error(formula)
        else:
            stack[-1][element] = stack[-1].get(element, 0.0) + float(count or 1)
        position = match.end()
    if len(stack) != 1 or not any(stack[0].values()):
        raise _error(formula)
    return stack[0]


def molar_mass_g_per_mol(composition: Mapping[str, float]) -> float:
    """Molar mass of a composition in atoms per formula unit."""
    return sum(ATOMIC_WEIGHT[element] * atoms for element, atoms in composition.items())


def _error(formula: str) -> ConfigError:
    return ConfigError(
        "this is not a chemical formula",
        got=repr(formula),
        allowed="elements, numbers and round brackets, as Ba2(CuO2)3",
        do="correct the formula",
    )
