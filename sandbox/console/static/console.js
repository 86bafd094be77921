"use strict";
// Asks once a second what has changed, and brings the page to it node by node: what has not changed is not touched, so
// that focus, selection, scroll position and whatever the reader has unfolded stay as they are.

const INTERVAL_MILLISECONDS = 1000;
const address = document.body.dataset.sections || "/sections?";
let known = document.body.dataset.version;

const keyOf = (node) => (node.nodeType === Node.ELEMENT_NODE ? node.dataset.key || "" : "");
const alike = (one, other) => one.nodeName === other.nodeName && keyOf(one) === keyOf(other);

function become(node, wanted) {
  if (node.nodeType !== Node.ELEMENT_NODE) {
    if (node.data !== wanted.data) node.data = wanted.data;
    return;
  }
  const kept = node.nodeName === "DETAILS" ? "open" : null; // the reader's, not the server's
  for (const { name } of [...node.attributes]) if (name !== kept && !wanted.hasAttribute(name)) node.removeAttribute(name);
  for (const { name, value } of wanted.attributes) if (name !== kept && node.getAttribute(name) !== value) node.setAttribute(name, value);
  becomeWithin(node, wanted);
}

function becomeWithin(parent, wanted) {
  const keyed = new Map([...parent.children].filter(keyOf).map((one) => [keyOf(one), one]));
  let next = parent.firstChild;
  for (const child of [...wanted.childNodes]) {
    const key = keyOf(child);
    let match = key ? keyed.get(key) : next && !keyOf(next) ? next : null;
    if (match && !alike(match, child)) match = null;
    if (!match) {
      parent.insertBefore(child, next);
    } else {
      if (match === next) next = next.nextSibling;
      else parent.insertBefore(match, next);
      become(match, child);
    }
  }
  while (next) {
    const gone = next;
    next = next.nextSibling;
    gone.remove();
  }
}

// What the reader looks at: what has the focus, if it is in sight, else the topmost row that is. At the very top of the
// page nothing is held, so that what is new is seen.
function lookedAt() {
  if (window.scrollY === 0) return null;
  const inSight = (one) => one.getBoundingClientRect().bottom > 0 && one.getBoundingClientRect().top < window.innerHeight;
  const focused = document.activeElement;
  if (focused !== document.body && focused.id !== "main" && inSight(focused)) return focused;
  return [...document.querySelectorAll("main [data-key]")].find(inSight) || null;
}

function show(sections) {
  const focused = document.activeElement;
  const held = lookedAt();
  const before = held && held.getBoundingClientRect().top;
  for (const [id, html] of Object.entries(sections)) {
    const fresh = document.createElement("template");
    fresh.innerHTML = html;
    becomeWithin(document.getElementById(id), fresh.content);
  }
  if (focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
  if (held && held.isConnected) window.scrollBy({ top: held.getBoundingClientRect().top - before, behavior: "instant" });
}

function tellAges() {
  const now = Date.now();
  for (const one of document.querySelectorAll("time")) {
    const seconds = Math.max(0, Math.round((now - Date.parse(one.dateTime)) / 1000));
    const age = seconds < 120 ? `${seconds} s` : seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
    one.title = `${one.dateTime}, ${age} ago`;
  }
}

function setGone(gone) {
  document.getElementById("gone").hidden = !gone;
}

async function ask() {
  try {
    const answer = await fetch(`${address}known=${known}`, { cache: "no-store" });
    if (answer.status === 200) {
      const found = await answer.json();
      show(found.sections);
      document.title = found.title;
      known = found.version;
    }
    setGone(!answer.ok);
  } catch {
    setGone(true);
  }
  tellAges();
  setTimeout(ask, INTERVAL_MILLISECONDS);
}

tellAges();
setTimeout(ask, INTERVAL_MILLISECONDS);
