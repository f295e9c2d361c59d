"use strict";
// The controls are one text, the query of the address. It goes to the server when one is moved, at
// most once a frame; the answer says what was refused and what stands beside the pictures.
window.rmtspec = (() => {
  const config = JSON.parse(document.getElementById("config").textContent);
  const at = (id) => document.getElementById(id);
  const names = Object.keys(config.start);
  let asked, file, shown, number = 0, due = false, answer = {}, alive = true;

  // --- controls ---------------------------------------------------------------------------------
  const STEPS = 400;

  function valueAt(name, place) {
    const q = config.quantities[name];
    if (q.zero) {
      if (place === 0) return 0;
      place -= 1;
    }
    const share = place / STEPS;
    const x = q.logarithmic ? q.low * (q.high / q.low) ** share : q.low + (q.high - q.low) * share;
    return q.whole ? Math.round(x) : Number(x.toPrecision(3));
  }

  function placeOf(name, value) {
    const q = config.quantities[name];
    if (q.zero && value === 0) return 0;
    const inside = Math.min(Math.max(value, q.low), q.high);
    const share = q.logarithmic
      ? Math.log(inside / q.low) / Math.log(q.high / q.low) : (inside - q.low) / (q.high - q.low);
    return Math.round(STEPS * share) + (q.zero ? 1 : 0);
  }

  function setSlider(name) {
    const slider = at(`${name}-slider`);
    const value = Number(at(name).value);
    if (slider && at(name).value.trim() !== "" && Number.isFinite(value)) {
      slider.value = placeOf(name, value);
      slider.setAttribute("aria-valuetext", at(name).value);
    }
  }

  function set(name, text) {
    at(name).value = text;
    setSlider(name);
  }

  function query() {
    const found = new URLSearchParams();
    for (const name of names) if (at(name).value !== config.start[name]) found.set(name, at(name).value);
    return found.toString();
  }

  function everything() {
    const found = new URLSearchParams();
    // A field that is not free shows a number of the data.
    for (const name of names) if (!at(name).disabled) found.set(name, at(name).value);
    return found.toString();
  }

  function ask() {
    number += 1;
    at("panels").setAttribute("aria-busy", "true");
    if (due || !asked) return;
    due = true;
    requestAnimationFrame(() => {
      due = false;
      asked.data = { query: [everything()], number: [number] };
    });
  }

  function seePopulation() {
    const asks = config.populations[at("population").value] || [];
    for (const name of Object.values(config.populations).flat())
      document.querySelector(`.row[data-name=${name}]`).hidden = !asks.includes(name);
  }

  function listen() {
    for (const name of names) {
      const slider = at(`${name}-slider`);
      if (slider) slider.addEventListener("input", () => {
        at(name).value = String(valueAt(name, Number(slider.value)));
        slider.setAttribute("aria-valuetext", at(name).value);
        ask();
      });
      at(name).addEventListener("change", () => {
        setSlider(name);
        if (name === "population") seePopulation();
        ask();
      });
    }
    at("copy").addEventListener("click", copy);
    at("reset").addEventListener("click", () => {
      for (const name of names) set(name, config.start[name]);
      seePopulation();
      ask();
    });
    at("observed").addEventListener("change", layOver);
    at("remove").addEventListener("click", () => { file.data = { name: [], content: [] }; });
    for (const button of document.querySelectorAll("[data-csv]"))
      button.addEventListener("click", () => save(`${button.dataset.csv}.csv`, csv(button.dataset.csv)));
    for (const button of document.querySelectorAll("[data-png]"))
      button.addEventListener("click", () => png(button.dataset.png.split(",")));
  }

  // --- what is said -----------------------------------------------------------------------------
  function digits(x, count = 3) {
    if (x === null || x === undefined) return "–";
    if (x === "inf") return "∞";
    if (x === 0) return "0";
    const size = Math.abs(x);
    if (size >= 1e-3 && size < 1e5) return String(Number(x.toPrecision(count)));
    const [mantissa, power] = x.toExponential(count - 1).split("e");
    const raised = [...String(Number(power))].map((c) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(c)]).join("");
    return `${Number(mantissa)}·10${raised}`;
  }

  function element(tag, text, look = {}) {
    const made = document.createElement(tag);
    made.textContent = text;
    if (look.name) made.className = look.name;
    if (look.colour) made.style.setProperty("--c", look.colour);
    return made;
  }

  function hear() {
    const said = JSON.parse(shown.data.json[0]);
    if (said.number === undefined) return;
    const latest = said.number === number;
    answer = { ...answer, ...said };
    if (latest) {
      for (const name of names) {
        const refused = name in said.refused;
        at(name).setAttribute("aria-invalid", String(refused));
        if (!refused && document.activeElement !== at(name)) set(name, said.values[name]);
      }
      seePopulation();
      history.replaceState(null, "", said.query ? `?${said.query}` : location.pathname);
    }
    tell("refused", Object.values(said.refused), said.families ? "" : "The pictures are those of the last setting that has an answer.");
    tell("warnings", said.warnings, "");
    at("remove").hidden = !said.overlay;
    if (said.families) sayNumbers(said);
    if (latest && said.complete) {
      at("panels").setAttribute("aria-busy", "false");
      at("status").textContent = `law and curves in ${digits(said.milliseconds, 2)} ms`;
    }
  }

  function tell(id, lines, more) {
    const place = at(id);
    place.hidden = lines.length === 0;
    place.replaceChildren(...(lines.length && more ? [...lines, more] : lines).map((line) => element("p", line)));
  }

  function sayNumbers(said) {
    const { facts, families } = said;
    for (const name of ["psi_n", "psi_n-slider"]) at(name).disabled = said.given;
    if (said.given) at("psi_n").value = digits(facts.psi_n, 4);
    at("data-note").textContent = said.given ? "ψₙ is that of the rows, four fifths of which are trained on; the map is that of fresh rows like them"
      : said.classes.length ? "the share of a class is its weight over the sum of weights; times of families and map are those of all data" : "";
    at("classes-key").replaceChildren(...said.classes.map((one, k) => element("span",
      `${one.name}, ${digits(100 * one.share)} %${k ? "" : " (dashed: train)"}`, { name: "line", colour: one.colour })));
    at("training-note").textContent =
      Number(at("step").value) > 0 ? `stable below a step of ${digits(facts.stability_limit)}` : "gradient flow; a step makes it descent";
    const key = said.bulks.map((b) => element("span",
      `${b.name}${b.bulks > 1 ? ` (${b.bulks} bulks)` : ""} ${digits(100 * b.mass)} %`, { name: "fill", colour: b.colour }));
    for (const [place, mass] of facts.atoms)
      key.push(element("span", `atom at ${place === facts.floor ? "λ₀" : digits(place)} ${digits(100 * mass)} %`, { name: "arrow" }));
    if (facts.outliers.length) key.push(element("span", facts.outliers.length === 1 ? "outlier" : `${facts.outliers.length} outliers`, { name: "down" }));
    if (said.overlay) key.push(element("span", said.overlay, { name: "steps" }));
    at("spectrum-key").replaceChildren(...key);
    at("families").replaceChildren(...families.map((f) => {
      const row = document.createElement("tr");
      row.append(
        element("td", f.name, { name: "swatch", colour: f.colour }),
        element("td", `${digits(f.lower)} to ${digits(f.upper)}${f.merged ? " (merged)" : ""}`),
        element("td", digits(f.mass)), element("td", digits(f.tau)), element("td", f.meaning));
      return row;
    }));
    const stop = said.stopping;
    if (stop) at("answer").textContent = stop.best === "inf"
      ? `Training never starts to overfit: the test loss falls to ${digits(stop.test)} in the end.`
      : stop.best === 0 ? "Training only does harm: the test loss is least before it."
      : `Best to stop at τ = ${digits(stop.best)}, test loss ${digits(stop.test)}. The test loss is within 5 % of its gain from τ = ${digits(stop.begin)} to ${digits(stop.end)}. In the end: train ${digits(facts.train)}, test ${digits(facts.test)}.`;
    else if (said.complete) at("answer").textContent = "";
    at("snippet").textContent = said.snippet;
    at("spectrum").setAttribute("aria-label", `density of the eigenvalues: ${key.map((k) => k.textContent).join(", ")}`);
    at("curves").setAttribute("aria-label", `losses over training time. ${at("answer").textContent}`);
  }

  // --- taking it away ---------------------------------------------------------------------------
  async function copy() {
    try {
      await navigator.clipboard.writeText(answer.snippet);
      at("status").textContent = "The Python is on the clipboard.";
    } catch {
      getSelection().selectAllChildren(at("snippet"));
      at("status").textContent = "The browser does not let a page copy: the Python is selected.";
    }
  }

  function columns(name) {
    return Bokeh.documents[0].get_model_by_name(name).data;
  }

  function csv(name) {
    const data = columns(name);
    const rows = [];
    if (name === "bulks") {
      rows.push(["bulk", "distance", "density"]);
      data.xs.forEach((xs, k) => {
        for (let i = 1; i < xs.length - 1; i++) rows.push([data.name[k], xs[i], data.ys[k][i]]);
      });
    } else {
      const heads = Object.keys(data).filter((head) => !["left", "right", "top", "bottom"].includes(head));
      const classes = name === "curves" ? columns("classes") : { name: [], ys: [] };
      rows.push([...heads, ...classes.name]);
      for (let i = 0; i < data[heads[0]].length; i++)
        rows.push([...heads.map((head) => data[head][i]), ...classes.ys.map((ys) => ys[i])]);
    }
    return new Blob([rows.map((row) => row.join(",")).join("\n") + "\n"], { type: "text/csv" });
  }

  async function png(panels) {
    const drawn = panels.map((name) => Bokeh.index.find_one_by_id(Bokeh.documents[0].get_model_by_name(`panel_${name}`).id).export("png", true).canvas);
    const whole = document.createElement("canvas");
    whole.width = Math.max(...drawn.map((c) => c.width));
    whole.height = drawn.reduce((sum, c) => sum + c.height, 0);
    const pen = whole.getContext("2d");
    pen.fillStyle = "white";
    pen.fillRect(0, 0, whole.width, whole.height);
    let y = 0;
    for (const one of drawn) {
      pen.drawImage(one, 0, y);
      y += one.height;
    }
    whole.toBlob((blob) => save(`${panels[0]}.png`, blob));
  }

  function save(name, blob) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    const of = query().replace(/[^\w.=-]+/g, "_").slice(0, 80);
    link.download = `rmtspec-${of ? `${of}-` : ""}${name}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  async function layOver() {
    const chosen = at("observed").files[0];
    at("observed").value = "";
    if (!chosen) return;
    if (chosen.size > config.most_bytes) {
      tell("refused", [`A file must have at most ${config.most_bytes} bytes, ${chosen.name} has ${chosen.size}.`], "");
      return;
    }
    const bytes = new Uint8Array(await chosen.arrayBuffer());
    let text = "";
    for (let i = 0; i < bytes.length; i += 32768) text += String.fromCharCode(...bytes.subarray(i, i + 32768));
    file.data = { name: [chosen.name], content: [btoa(text)] };
  }

  // --- what the document calls ------------------------------------------------------------------
  return {
    start(asked_, file_, shown_) {
      [asked, file, shown] = [asked_, file_, shown_];
      listen();
      for (const name of names) set(name, config.start[name]);
      seePopulation();
      shown.properties.data.change.connect(hear);
      hear();
    },
    move(psi_n, psi_p) {
      const inside = (name, x) => {
        const q = config.quantities[name];
        return Number(Math.min(Math.max(x, q.low), q.high).toPrecision(3));
      };
      if (!at("psi_n").disabled) set("psi_n", String(inside("psi_n", psi_n)));
      set("psi_p", String(inside("psi_p", psi_p)));
      ask();
    },
    lost() {
      tell("refused", ["The server has ended or cannot be reached: start it again and reload this page, whose address keeps what you see."], "");
    },
  };
})();
