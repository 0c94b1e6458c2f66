"""The bundle for a lawyer: selection, exhibits, tables, proofs, packing."""
