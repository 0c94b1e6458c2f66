"""What is made from the code and published with it. Run: `python -m tests.published`.

Schemas for editors, the page of facts, and the Japanese phrases for a shop whose files are in English.
"""

from __future__ import annotations

import json
from pathlib import Path

from filters.registry import FILTERS, SPECS
from gateway.config.packaged import packaged
from gateway.config.reference import reference
from gateway.config.schema import config_schema, rules_schema
from gateway.model.fact import FactSpec
from gateway.screening.recorded import AFTERWARDS, is_recorded

DOCS = Path(__file__).parents[1] / "docs"
_ENGLISH = {
    "法的言及": "legal",
    "過剰要求": "demands",
    "SNS晒し": "exposure",
    "執拗": "persistence",
    "侮辱": "insult",
    "脅迫": "threat",
}
_MADE = "# Japanese phrases under the English name of their category, made from a Japanese shop's by `make docs`.\n"


def published() -> dict[Path, str]:
    """Each file and what it has to hold."""
    recorded = {spec.name for filter_ in FILTERS for spec in filter_.facts if is_recorded(filter_, spec)}

    def replayed(spec: FactSpec) -> str:
        if spec.name not in recorded:
            return ""
        return "recorded, else as of then" if spec.name in AFTERWARDS else "recorded"

    page = reference([(filter_.name, filter_.facts) for filter_ in FILTERS], replayed)
    return {
        DOCS / "reference.md": page,
        DOCS / "schema" / "config.json": _json(config_schema()),
        DOCS / "schema" / "rules.json": _json(rules_schema(SPECS)),
        **_phrases(),
    }


def _phrases() -> dict[Path, str]:
    """The Japanese phrases with the names that English rules ask for: customers write Japanese to either shop."""
    made: dict[Path, str] = {}
    for source in sorted((packaged("ja") / "phrases").glob("*.yaml")):
        text = source.read_text("utf-8")
        named = [name for name in _ENGLISH if f"\n  {name}:\n" in text]
        if len(named) == 1:  # the English phrases of a Japanese shop hold several
            target = packaged("en") / "phrases" / "japanese" / source.name
            made[target] = _MADE + text.replace(f"\n  {named[0]}:\n", f"\n  {_ENGLISH[named[0]]}:\n")
    assert len(made) == len(_ENGLISH)
    return made


def _json(schema: object) -> str:
    return json.dumps(schema, ensure_ascii=False, indent=2) + "\n"


def main() -> None:
    """Write them all."""
    for path, text in published().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(DOCS.parent))


if __name__ == "__main__":
    main()
