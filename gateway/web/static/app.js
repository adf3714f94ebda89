// The page at `/`: sends images to the public API and shows the answer.

const $ = (id) => document.getElementById(id);
const percent = (value) => `${(100 * value).toFixed(1)} %`;
const KEY = "medreid-key";

const EXPLANATIONS = {
  identified: "The confidence of the best candidate is at or over the threshold.",
  candidates: "No candidate reaches the threshold. Look at the images yourself before you choose one.",
  unknown: "This person is most likely not enrolled. The candidates below are only the most similar patients.",
};
const DISAGREEMENT = "The images do not agree on one patient. Check that all show the same person.";
const INVESTIGATION = "An investigation names no patient. It lists the most similar ones, even if they are unlikely. "
  + "Look at the images yourself.";
const MOST_IMAGES = 64; // of one question, as the API takes them
const TITLES = {
  identified: (answer) => `Identified: ${answer.patient_id}`,
  candidates: () => "Candidates: please choose",
  unknown: () => "Unknown: not enrolled",
};

async function ask(path, body, signal) {
  const headers = { authorization: `Bearer ${$("key").value.trim()}` };
  const response = await fetch(path, { method: body ? "POST" : "GET", headers, body, signal });
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({ title: "The gateway does not answer", detail: "" }));
  throw Object.assign(new Error(problem.title), { problem });
}

function form(files) {
  const data = new FormData();
  for (const file of files) data.append("file", file, "image"); // the file's name stays here
  if ($("modality").value) data.append("modality", $("modality").value);
  return data;
}

let chosen = []; // the files of the current question
let latest = new AbortController(); // of the current question; the next question aborts it

async function identify(files) {
  chosen = files;
  if (!files.length) return;
  latest.abort();
  latest = new AbortController();
  const { signal } = latest;
  show("state", "Asking…");
  hidePreview();
  try {
    const data = form(files);
    data.append("operating_point", $("point").value);
    const answer = await (await ask("/v1/identify", data, signal)).json();
    if (signal.aborted) return;
    showAnswer(answer);
  } catch (error) {
    if (!signal.aborted) showProblem(problemOf(error));
    return;
  }
  await showPreview(files[0], signal);
}

function problemOf(error) {
  return error.problem ?? { title: "The gateway cannot be reached", detail: "Check that it is running, then try again." };
}

async function showPreview(file, signal) {
  try {
    const picture = await (await ask("/v1/preview", form([file]), signal)).blob();
    if (signal.aborted) return;
    $("preview").querySelector("img").src = URL.createObjectURL(picture);
    $("preview").hidden = false;
  } catch (error) {
    if (signal.aborted) return;
    $("preview-problem").textContent = `No preview: ${problemOf(error).title}`;
    $("preview-problem").hidden = false;
  }
}

function hidePreview() {
  const image = $("preview").querySelector("img");
  URL.revokeObjectURL(image.src);
  image.removeAttribute("src");
  for (const id of ["preview", "preview-problem"]) $(id).hidden = true;
}

function show(id, text = "") {
  for (const part of ["state", "problem", "result"]) $(part).hidden = part !== id;
  if (id === "state") $("state").textContent = text;
}

function showProblem(problem) {
  show("problem");
  const [title, detail, hint] = $("problem").children;
  title.textContent = problem.title;
  detail.textContent = problem.detail;
  hint.textContent = problem.request_id ? `Request ${problem.request_id}` : "";
}

function showAnswer(answer) {
  show("result");
  $("decision").textContent = TITLES[answer.decision](answer);
  $("decision").className = answer.decision;
  const investigated = answer.operating_point === "investigation";
  const listed = investigated && answer.decision === "candidates";
  $("explanation").textContent =
    !answer.consistent ? DISAGREEMENT : listed ? INVESTIGATION : EXPLANATIONS[answer.decision];
  fill($("confidence"), answer.confidence, answer.threshold);
  const threshold = investigated ? "no threshold" : `threshold ${percent(answer.threshold)}`;
  const said = `confidence ${percent(answer.confidence)}, ${threshold}, `
    + `not enrolled ${percent(answer.unknown_probability)}`;
  $("confidence").ariaLabel = said;
  $("confidence-text").textContent = said;
  $("candidates").tBodies[0].replaceChildren(...answer.candidates.map(candidateRow));
  showModality(answer.modality);
  showTimings(answer.timings_ms);
}

function candidateRow(candidate) {
  const row = document.createElement("tr");
  for (const text of [candidate.patient_id, percent(candidate.confidence), candidate.similarity.toFixed(3)]) {
    row.insertCell().textContent = text;
  }
  return row;
}

function showModality(modality) {
  const source = { compa: "recognised from the image", dicom: "from the DICOM header", caller: "as you said" };
  const doubt = modality.conflict ? ", but the image looks like another modality" : "";
  $("modality-text").textContent = `${modality.label}, ${source[modality.source]}${doubt}`;
  $("probabilities").replaceChildren(...Object.entries(modality.probabilities).map(([label, value]) => {
    const row = element("div", "row", element("span", "", label), element("div", "meter", element("span", "fill")),
      element("span", "value", percent(value)));
    fill(row.children[1], value);
    return row;
  }));
}

function showTimings(timings) {
  const parts = ["decode", "classify", "preprocess", "identify"];
  $("timings").replaceChildren(...parts.map((part) => {
    const bar = element("span", "");
    bar.style.flexGrow = timings[part];
    bar.title = part;
    return bar;
  }));
  $("timings-text").textContent = parts.map((part) => `${part} ${timings[part].toFixed(1)} ms`).join(", ")
    + `; total ${timings.total.toFixed(1)} ms`;
}

function fill(meter, value, mark) {
  meter.querySelector(".fill").style.width = percent(value).replace(" ", "");
  if (mark !== undefined) meter.querySelector(".mark").style.left = percent(mark).replace(" ", "");
}

function element(tag, className, ...children) {
  const made = document.createElement(tag);
  made.className = className;
  made.append(...children);
  return made;
}

// True if the gateway takes the key.
async function listModalities() {
  if (!$("key").value.trim()) return false;
  try {
    const { items } = await (await ask("/v1/modalities")).json();
    const wanted = $("modality").value;
    $("modality").replaceChildren(new Option("recognise it", ""), ...items.map((item) =>
      new Option(item.ready ? item.title : `${item.title} (not available)`, item.name)));
    if (items.some((item) => item.name === wanted)) $("modality").value = wanted;
    return true;
  } catch (error) {
    showProblem(problemOf(error));
    return false;
  }
}

// The files of a drop, in the order of their names; a dropped folder is read with its subfolders.
async function droppedFiles(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return [...transfer.files];
  const files = [];
  for (const entry of entries) await readEntry(entry, files);
  return files;
}

async function readEntry(entry, files) {
  if (entry.name.startsWith(".") || files.length > MOST_IMAGES) return;
  if (entry.isFile) {
    files.push(await new Promise((resolve, reject) => entry.file(resolve, reject)));
    return;
  }
  const reader = entry.createReader();
  const entries = [];
  for (let batch; (batch = await new Promise((resolve, reject) => reader.readEntries(resolve, reject))).length;) {
    entries.push(...batch);
  }
  entries.sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
  for (const inner of entries) await readEntry(inner, files);
}

async function drop(transfer) {
  latest.abort();
  let files;
  try {
    files = await droppedFiles(transfer);
  } catch {
    showProblem({ title: "The folder cannot be read", detail: "Choose the image files themselves instead." });
    return;
  }
  if (!files.length) {
    showProblem({ title: "There is no file in this folder", detail: "Drop image files, or a folder that holds them." });
  } else if (files.length > MOST_IMAGES) {
    const detail = `One question takes up to ${MOST_IMAGES} images of one person. Choose fewer files.`;
    showProblem({ title: "Too many files", detail });
  } else {
    await identify(files);
  }
}

$("key").value = sessionStorage.getItem(KEY) ?? "";
$("key").addEventListener("change", async () => {
  sessionStorage.setItem(KEY, $("key").value.trim());
  if (!await listModalities()) return;
  if (chosen.length) await identify(chosen);
  else if (!$("problem").hidden) show("state", "No image yet.");
});
$("file").addEventListener("change", (event) => identify([...event.target.files]));
for (const id of ["modality", "point"]) $(id).addEventListener("change", () => identify(chosen));
$("drop").addEventListener("keydown", (event) => {
  if (event.key === "Enter" || event.key === " ") $("file").click();
});
for (const type of ["dragover", "dragleave", "drop"]) {
  $("drop").addEventListener(type, (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", type === "dragover");
    if (type === "drop") drop(event.dataTransfer);
  });
}
listModalities();
