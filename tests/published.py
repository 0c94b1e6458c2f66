"""What is published from the code: schemas for editors and the page of facts. Run: `python -m tests.published`."""

from __future__ import annotations

import json
from pathlib import Path

from filters.registry import FILTERS, SPECS
from gateway.config.reference import reference
from gateway.config.schema import config_schema, rules_schema
from gateway.model.fact import FactSpec
from gateway.screening.recorded import AFTERWARDS, is_recorded

DOCS = Path(__file__).parents[1] / "docs"


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
    }


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
