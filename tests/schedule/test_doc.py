"""What docs/scheduling.md says."""

import re
from pathlib import Path

from pimsim.config.scheduler import SchedulerConfig

TEXT = (Path(__file__).parents[2] / "docs" / "scheduling.md").read_text()


def test_the_example_runs() -> None:
    code = re.search(r"```python\n(.*?)```", TEXT, re.S)
    assert code is not None
    names: dict[str, object] = {}
    exec(code[1].replace("print(", "shown = ("), names)
    assert isinstance(names["shown"], float) and names["shown"] > 0


def test_the_table_has_every_key_with_its_default() -> None:
    defaults = SchedulerConfig().model_dump()
    rows = dict(re.findall(r"^\| `scheduler\.(\w+)` \| ([^|]+) \|", TEXT, re.M))
    assert set(rows) == set(defaults) - {"estimate"}
    for key, words in rows.items():
        default = defaults[key]
        assert words.split(",")[0].strip("` ") == ("none" if default is None else str(default))
