"""What a study is, in words and numbers: where it comes from, how big its sizes are, its variants, what was run."""

from __future__ import annotations

from workbench.datasets import card_of
from workbench.splits import COUNTED, DEFAULT_FOLDS, SHARING
from workbench.studies import COSTS, LOSSES, RATES, Study, by_protocol, results

FACTS = (
    "name", "title", "source", "table", "corpus", "classes", "only", "protocol", "protocols", "setting", "measures",
    "recipe", "training",
)  # fmt: skip
ABOUT = ("title", "group", "of", "published")  # of a variant's settings, what is not one


def describe(study: Study) -> dict:
    """Return everything that a study's file says, and which of its runs there are, for a program to read.

    `profiles` has a row a size and protocol (`sizes`); `variants` a row a variant: its `settings`, what was
    `published`, and which `runs` there are, by corpus, size and protocol.
    """
    ran = results.recorded(study.name)
    variants = []
    for name, settings in study.variants.items():
        mine = ran[ran["variant"] == name].drop(columns="variant")
        variants.append(
            {
                "variant": name,
                **{key: settings.get(key, default) for key, default in zip(ABOUT, (name, "", "", {}), strict=True)},
                "settings": _own(settings),
                "runs": mine.to_dict("records"),
            }
        )
    return {
        **{key: getattr(study, key) for key in FACTS},
        "profiles": sizes(study),
        "variants": variants,
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
            "run on": [f"{ran['corpus']}/{ran['size']}, {ran['protocol']}: {ran['runs']}" for ran in row["runs"]],
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
    return tables | ({"systems of others": cited} if cited else {})


def short(study: Study) -> tuple[dict, list[dict]]:
    """Return the facts of a study and a row a variant, as a notebook shows them: settings, published accuracy, runs."""
    facts = {key: _words(getattr(study, key)) for key in ("source", "table", "corpus", "classes", "only", "protocol")}
    facts |= {"training": _words(study.training), "sizes": ", ".join(study.profiles)}
    ran = results.recorded(study.name).groupby("variant")["runs"].sum()
    rows = [
        {
            "variant": name,
            "title": settings.get("title", name),
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
            n_folds = _n_folds(study, profile, protocol)
            folds = n_folds and min(n_folds, by_protocol(profile.get("folds"), protocol) or n_folds)
            repeats = by_protocol(profile.get("repeats", study.repeats), protocol) or 1
            seeds = repeats if isinstance(repeats, list) else list(range(repeats))
            counts = {"n_folds": n_folds, "folds": folds, "seeds": seeds, "variants": n_variants}
            rows.append(
                {"profile": name, "protocol": protocol} | counts | {"runs": folds and folds * len(seeds) * n_variants}
            )
    return rows


def _n_folds(study: Study, profile: dict, protocol: str) -> int | None:
    """Return how many folds a protocol makes of the corpus's speakers, as far as its card names them."""
    known = len(card_of(study.corpus).speakers)
    speakers = min(known, profile.get("speakers", known))
    if protocol in COUNTED:
        return (speakers // 2 if protocol == "speaker-pairs" else speakers) or None
    wanted = by_protocol(profile.get("n_folds"), protocol) or DEFAULT_FOLDS
    return wanted if protocol in SHARING or not speakers else min(wanted, speakers)


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
