"""What a study is, in words and numbers: where it comes from, how big its sizes are, its variants, what was run."""

from __future__ import annotations

from collections.abc import Mapping

from workbench.studies import COSTS, LOSSES, RATES, Study, by_protocol, results, seeds_of
from workbench.studies.reached import n_folds_of

FACTS = (
    "name", "title", "source", "table", "corpus", "classes", "only", "protocol", "protocols", "setting", "measures",
    "recipe", "training",
)  # fmt: skip
ABOUT = ("title", "group", "of", "published")  # of a variant's settings, what is not one


def describe(study: Study) -> dict:
    """Return everything that a study's file says, and which of its runs there are, for a program to read.

    `profiles` has a row a size and protocol (`sizes`); `variants` a row a variant: its `settings`, what was
    `published`, whether it is `transductive`, and which `runs` there are, by corpus, root, size and protocol. `remarks`
    has a row for each remark on the runs, such as the clips that were left out.
    """
    ran, titles = results.recorded(study.name), study.titles()
    variants = []
    for name, settings in study.variants.items():
        mine = ran[ran["variant"] == name].drop(columns="variant")
        variants.append(
            {
                "variant": name,
                **{key: settings.get(key, default) for key, default in zip(ABOUT, (name, "", "", {}), strict=True)},
                "title": titles[name],
                "transductive": study.transductive(name),
                "settings": _own(settings),
                "runs": mine.to_dict("records"),
            }
        )
    return {
        **{key: getattr(study, key) for key in FACTS},
        "profiles": sizes(study),
        "variants": variants,
        "remarks": results.remarks(study).drop(columns="key").to_dict("records"),
        "cited": [{"name": name, **settings} for name, settings in study.cited.items()],
    }


def overview(study: Study) -> dict[str, list[dict]]:
    """Return tables of what `describe` returns, for a person to read: title -> rows."""
    about = describe(study)
    facts = {key: _words(about[key]) for key in FACTS if key not in ("title", "protocols")}
    variants = [
        {
            "variant": row["variant"],
            "title": row["title"],
            "settings": f"of: {row['of']}" if row["of"] else in_short(row["settings"]),
            "published": _numbers(row["published"]),
            "run on": [f"{_where(ran)}, {ran['protocol']}: {ran['runs']}" for ran in row["runs"]],
        }
        for row in about["variants"]
    ]
    sized = [
        row
        | {key: "by speakers" for key, value in row.items() if value is None}
        | {"seeds": ", ".join(map(str, row["seeds"])) if len(row["seeds"]) < 6 else f"{len(row['seeds'])} seeds"}
        for row in about["profiles"]
    ]
    cited = [
        {"system": row.get("title", row["name"]), "published": _numbers(row["published"])} for row in about["cited"]
    ]
    tables = {study.title: [{"": key, " ": value} for key, value in facts.items() if value]}
    tables |= {"sizes, on its own corpus": sized, "variants": variants}
    tables |= {"remarks on the runs": about["remarks"]} if about["remarks"] else {}
    return tables | ({"systems of others": cited} if cited else {})


def _where(ran: Mapping) -> str:
    """Return the corpus, its root and the size of results in words: ``folder at path/to/folder, size smoke``."""
    at = f" at {ran['root']}" if ran["root"] else ""
    return f"{ran['corpus']}{at}, size {ran['size']}"


def short(study: Study) -> tuple[dict, list[dict]]:
    """Return the facts of a study and a row a variant, as a notebook shows them: settings, published accuracy, runs."""
    facts = {key: _words(getattr(study, key)) for key in ("source", "table", "corpus", "classes", "only", "protocol")}
    facts |= {"training": _words(study.training), "sizes": ", ".join(study.profiles)}
    ran, titles = results.recorded(study.name).groupby("variant")["runs"].sum(), study.titles()
    rows = [
        {
            "variant": name,
            "title": titles[name],
            "settings": f"of: {settings['of']}" if "of" in settings else in_short(_own(settings)),
            "published": settings.get("published", {}).get("accuracy", ""),
            "runs": int(ran.get(name, 0)),
        }
        for name, settings in study.variants.items()
    ]
    return facts, rows


def _own(settings: dict) -> dict:
    return {key: value for key, value in settings.items() if key not in ABOUT}


def sizes(study: Study) -> list[dict]:
    """Return how big a study is on its own corpus: `profile, protocol, n_folds, folds, seeds, variants, runs`.

    `folds` are those that are run, of `n_folds`; both and `runs` are None where the speakers decide and the corpus's
    card does not name them. Variants that are another study's add no run.
    """
    rows = []
    n_variants = sum("of" not in settings for settings in study.variants.values())
    for name, profile in study.profiles.items():
        for protocol in study.protocols:
            n_folds = n_folds_of(study, profile, protocol)
            folds = n_folds and min(n_folds, by_protocol(profile.get("folds"), protocol) or n_folds)
            seeds = seeds_of(study, profile, protocol)
            counts = {"n_folds": n_folds, "folds": folds, "seeds": seeds, "variants": n_variants}
            rows.append(
                {"profile": name, "protocol": protocol} | counts | {"runs": folds and folds * len(seeds) * n_variants}
            )
    return rows


def in_short(settings: dict) -> str:
    """Return settings on one line: ``encoders: audio cnn1d (pool 2); training: epochs 6``."""
    return "; ".join(f"{key}: {_words(value)}" for key, value in settings.items())


def _numbers(published: dict) -> str:
    """Return what was published on one line: the numbers of the whole, and what its row is called."""
    return _words({key: value for key, value in published.items() if key in ("row", *RATES, *LOSSES, *COSTS)})


def _words(value) -> str:
    """Return a setting in words: what has a name by that name, the rest of it in brackets."""
    if isinstance(value, list):
        return ", ".join(map(_words, value))
    if not isinstance(value, dict):
        return str(value)
    more = ", ".join(f"{key} {_words(one)}" for key, one in value.items() if key != "name")
    if "name" not in value:
        return more
    return f"{value['name']} ({more})" if more else value["name"]
