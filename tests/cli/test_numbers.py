import json

from medts.cli.main import main
from medts.formats import FORMATS


def test_numbers_from_the_store_to_the_page(synthetic_store, rate_run, tmp_path, capsys):
    out = tmp_path / "test"
    store = str(synthetic_store.where)
    main(["evaluate", "--model", str(rate_run), "--data", store, "--folds", "9-10",
          "--out", str(out)])  # fmt: skip
    said = capsys.readouterr().out
    assert all(word in said for word in ("mae", "pearson_r", "age and sex", "heart_ra"))
    found = json.loads((out / "metrics.json").read_text())
    assert {"r2", "mae", "rmse", "pearson_r", "bias"} == set(found["metrics"])
    page = (out / "report.html").read_text()
    assert "Predicted against true" in page
    assert "Bland–Altman" in page
    assert page.count('class="dot"') == 2 * found["n_records"]
    assert "True (bpm)" in page

    file = tmp_path / "record.npy"
    FORMATS["npy"].write(synthetic_store.record(0), file)
    main(["predict", str(rate_run), str(file), "--json"])
    answer = json.loads(capsys.readouterr().out)
    assert answer["schema"] == 1
    (number,) = answer["classes"].values()
    assert number["unit"] == "bpm"
    assert number["probability"] is number["decision"] is None
    main(["predict", str(rate_run), str(file)])
    shown = capsys.readouterr().out
    assert f"{number['value']:.4g}" in shown
    assert "bpm" in shown

    main(["info", store])
    assert "47 to" in capsys.readouterr().out
    assert main(["evaluate", "--model", str(rate_run), "--data", store, "--folds", "9", "--out",
                 str(out), "--protocol", "calibration"]) == 2  # fmt: skip
    assert "Use held_out" in capsys.readouterr().err
