"""Merge two reviewers' corrections: `merge_corrections.py OURS THEIRS MERGED`.

Images on which they disagree are listed and left out of MERGED; the exit status is then 1.
"""

import sys
from pathlib import Path

import yaml

from tracin.review.corrections import merge_corrections, read_corrections, write_corrections

if len(sys.argv) != 4:
    sys.exit(__doc__)
ours, theirs, target = sys.argv[1:]
schema_file = Path(__file__).parents[1] / "rules" / "schemas" / "corrections.schema.yaml"
schema = yaml.safe_load(schema_file.read_text(encoding="utf-8"))
try:
    rows = [read_corrections(path, schema) for path in (ours, theirs)]
except (OSError, ValueError) as error:
    sys.exit(str(error))
merged, conflicts = merge_corrections(*rows)
write_corrections(merged, target)
print(f"{target}: {len(merged)} decisions")
for one, other in conflicts:
    print(
        f"conflict about {one.path!r}: {one.wording} ({ours}, line {one.line}), "
        f"{other.wording} ({theirs}, line {other.line})"
    )
sys.exit(1 if conflicts else 0)
