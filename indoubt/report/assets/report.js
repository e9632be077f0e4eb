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
    const all = rows.length === 1 ? "1 row" : `${rows.length} rows`;
    count.textContent = shown === rows.length ? all : `${shown} of ${all}`;
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
  const space = "http://www.w3.org/2000/svg";
  const whole = document.createElementNS(space, "svg");
  let width = 0, height = 0;
  for (const panel of button.closest("figure").querySelectorAll(".panels svg")) {
    const copy = panel.cloneNode(true);
    copy.setAttribute("y", height);
    height += panel.height.baseVal.value;
    width = Math.max(width, panel.width.baseVal.value);
    whole.append(copy);
  }
  whole.setAttribute("viewBox", `0 0 ${width} ${height}`);
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

// A link to what is folded unfolds it.
function unfold() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let each = target; each; each = each.parentElement) if (each.tagName === "DETAILS") each.open = true;
  if (target) target.scrollIntoView();
}
window.addEventListener("hashchange", unfold);
if (location.hash) unfold();

// On paper all is unfolded, except for what is long and few read there: of this, what is open on the screen.
let closed = [];
window.addEventListener("beforeprint", () => {
  closed = [...document.querySelectorAll("details:not([open]):not([data-print='as-it-is'])")];
  for (const each of closed) each.open = true;
});
window.addEventListener("afterprint", () => {
  for (const each of closed) each.open = false;
});
