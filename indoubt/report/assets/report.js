// Filtering, saving, theme and printing; sorting is sortable-tablesort's.
"use strict";

const root = document.documentElement;
const dark = window.matchMedia("(prefers-color-scheme: dark)");
document.getElementById("theme").addEventListener("click", () => {
  const isDark = root.dataset.theme ? root.dataset.theme === "dark" : dark.matches;
  root.dataset.theme = isDark ? "light" : "dark";
});

for (const input of document.querySelectorAll("[data-filter]")) {
  const box = document.getElementById(input.dataset.filter);
  const count = box.querySelector(".count");
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    const rows = [...box.querySelectorAll("tbody tr")];
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    }
    const shown = rows.filter((row) => !row.hidden).length;
    count.textContent = shown === rows.length ? `${rows.length} rows` : `${shown} of ${rows.length} rows`;
  });
}

function save(name, type, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

// A figure as it is saved: its panels below each other, with the colours of paper, whatever the page's.
function figureText(button) {
  const panels = [...button.closest("figure").querySelectorAll(".panels svg")];
  const boxes = panels.slice(1).map((panel) => panel.viewBox.baseVal);
  const whole = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  whole.setAttribute("viewBox", `0 0 ${boxes[0].width} ${boxes.reduce((sum, box) => sum + box.height, 0)}`);
  whole.append(...panels.flatMap((panel) => [...panel.cloneNode(true).childNodes]));
  return new XMLSerializer()
    .serializeToString(whole)
    .replaceAll("currentColor", "#1a1a1a")
    .replaceAll("var(--faint)", "#d9d9d9")
    .replaceAll("var(--paper)", "#ffffff");
}

for (const button of document.querySelectorAll("[data-save]")) {
  button.addEventListener("click", () => {
    const source = button.dataset.from && document.getElementById(button.dataset.from);
    if (source) save(button.dataset.save, "text/csv", source.content.textContent);
    else save(button.dataset.save, "image/svg+xml", figureText(button));
  });
}

for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = "copied";
    setTimeout(() => (button.textContent = "copy"), 2000);
  });
}

let closed = [];
window.addEventListener("beforeprint", () => {
  closed = [...document.querySelectorAll("details:not([open])")];
  for (const each of closed) each.open = true;
});
window.addEventListener("afterprint", () => {
  for (const each of closed) each.open = false;
});
