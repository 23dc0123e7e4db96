"""Merge two reviewers' corrections: `merge_corrections.py OURS THEIRS MERGED`.

Images on which they disagree are listed and left out of MERGED; the exit status is then 1.
"""

import sys
from pathlib import Path

import yaml

from tracin.errors import UserError
from tracin.review.corrections import merge_corrections, read_corrections, write_corrections

if len(sys.argv) != 4:
    sys.exit(__doc__)
ours, theirs, target = sys.argv[1:]
schema_file = Path(__file__).parents[1] / "rules" / "schemas" / "corrections.schema.yaml"
schema = yaml.safe_load(schema_file.read_text(encoding="utf-8"))
try:
    if Path(target).is_dir():
        raise UserError(f"{target} is a folder. Name the file to write.")
    if Path(target).resolve() in [Path(path).resolve() for path in (ours, theirs)]:
        raise UserError(f"{target} is one of both files to merge. Write to another one.")
    rows = [read_corrections(path, schema) for path in (ours, theirs)]
    merged, conflicts = merge_corrections(*rows)
    write_corrections(merged, target)
except (OSError, ValueError) as error:
    sys.exit(str(error))
print(f"{target}: {len(merged)} decisions")
for one, other in conflicts:
    about = " and its copy ".join(dict.fromkeys([repr(one.path), repr(other.path)]))
    print(
        f"conflict about {about}: {one.wording} ({ours}, line {one.line}), "
        f"{other.wording} ({theirs}, line {other.line})"
    )
sys.exit(1 if conflicts else 0)
