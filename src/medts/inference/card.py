"""Model card (Mitchell et al. 2019) of a bundle, generated from its manifest."""

from pathlib import Path

from medts.inference.manifest import Labels, Manifest


def write_card(path: Path, manifest: Manifest) -> None:
    """Writes ``README.md`` of a bundle."""
    path.write_text(card_of(manifest), encoding="utf-8")


def card_of(manifest: Manifest) -> str:
    """Returns the card of a model as Markdown (a model card)."""
    labels, text = manifest.labels, manifest.model.text
    provenance, preprocessing = manifest.provenance, manifest.preprocessing
    lines = [f"# {provenance.recipe}", ""]
    if provenance.synthetic:
        lines += ["> Trained on **synthetic** recordings: it says nothing about patients.", ""]
    lines += ["Research software; not a medical device.", "", "## What it reads", ""]
    for name, spec in preprocessing.streams.items():
        band = f"{spec.low_hz or 0:g}-{spec.high_hz or spec.sampling_rate / 2:g} Hz"
        lines += [
            f"* stream `{name}` ({spec.modality}): {', '.join(spec.channels)}; "
            f"{spec.unit}, {spec.sampling_rate:g} Hz, {band}"
        ]
    for each in (labels, *labels.further):
        lines += _answers(each)
    if text is not None:
        cut = f"; {text.n_truncated} texts were cut" if text.n_truncated else ""
        lines += ["", f"Classes are known by their words, as read by language model `{text.name}`"]
        lines[-1] += f" ({text.dim} numbers, digest `{text.digest[:16]}`){cut}."
    lines += ["", "## Where it comes from", ""]
    lines += [f"* corpus {name}: {text}" for name, text in provenance.corpora.items()]
    for part, facts in provenance.splits.items():
        folds, n_records = ", ".join(facts["folds"]), facts["n_records"]
        lines += [f"* {part}: folds {folds}, {n_records} records, {facts['n_subjects']} subjects"]
    lines += [f"* seed {provenance.seed}; training data `{provenance.data_digest[:16]}`"]
    lines += [f"* {name} {version}" for name, version in provenance.versions.items()]
    return "\n".join(lines) + "\n"


def _answers(labels: Labels) -> list[str]:
    """Returns the classes of a label set with their thresholds, or its numbers with their units."""
    if labels.label_set is None:
        return []
    lines = ["", f"## What it predicts: `{labels.label_set.name}` ({labels.label_set.kind})", ""]
    if labels.label_set.has_numbers:
        lines += ["| number | meaning | unit |", "|---|---|---|"]
        units, phrase = labels.label_set.units, labels.label_set.phrase
        return lines + [
            f"| {n} | {phrase(n)} | {units.get(n, '')} |" for n in labels.label_set.classes
        ]
    lines += ["| class | meaning | operating point | chosen |", "|---|---|--:|---|"]
    for name in labels.label_set.classes:
        point = labels.operating_points.get(name)
        threshold = f"{point.threshold:.3f}" if point else "–"
        chosen = f"{point.rule}, {point.split}" if point else "likeliest class"
        lines += [f"| {name} | {labels.label_set.phrase(name)} | {threshold} | {chosen} |"]
    return lines
